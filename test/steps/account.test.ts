import { describe, expect, test } from 'vitest'
import { makeAccountGate } from '../../src/steps/account.ts'
import { testClock } from '../support/clock.ts'
import { testLog } from '../support/service.ts'
import { accept, aRequest, becomes, failure, fakeProvider, jobOf, json, read, startOn, until } from './setting.ts'

describe('a refusal of the account pauses all submitting for a minute', () => {
  test.each([
    [401, 'invalid_token', 502],
    [403, 'used_up', 402],
    [403, 'disabled', 403],
  ])('%i %s', async (status, code, answered) => {
    const clock = testClock()
    const provider = await fakeProvider((sent, index) =>
      index === 0 ? json(sent.response, status, failure(code)) : accept(sent, index),
    )
    const service = await startOn(provider, {}, { clock })
    expect((await service.submit(aRequest)).status).toBe(answered)
    const others = await Promise.all([jobOf(service.submit(aRequest)), jobOf(service.submit(aRequest))])
    expect(others.map(job => job.status)).toEqual(['queued', 'queued'])
    await clock.advance(59_999)
    await jobOf(service.submit(aRequest))
    expect(provider.submits).toHaveLength(1)
    await clock.advance(1)
    for (const job of others)
      expect((await becomes(service, job.id, one => one.status === 'processing')).tasks[0]?.attempts).toBe(1)
    await until(() => provider.submits.length === 4)
  })

  describe('after which one goes ahead', () => {
    /** The first submit is refused, four jobs wait, and the minute is over: one is under way. It, and `more`, are not answered. */
    async function oneAhead(more = 0) {
      const clock = testClock()
      const provider = await fakeProvider((sent, index) => {
        if (index === 0) json(sent.response, 401, failure('invalid_token'))
        else if (index > 1 + more) accept(sent, index)
      })
      const service = await startOn(provider, {}, { clock })
      expect((await service.submit(aRequest)).status).toBe(502)
      const jobs = []
      for (let count = 0; count < 3; count += 1) jobs.push(await jobOf(service.submit(aRequest)))
      await clock.advance(60_000)
      const ahead = await until(() => provider.submits[1])
      // This one looks for work, too.
      jobs.push(await jobOf(service.submit(aRequest)))
      expect(jobs.map(job => job.status)).toEqual(['queued', 'queued', 'queued', 'queued'])
      expect(provider.submits).toHaveLength(2)
      return { clock, provider, service, jobs, ahead }
    }

    test('and it is answered with what became of it, where it came after the minute', async () => {
      const clock = testClock()
      const provider = await fakeProvider((sent, index) =>
        index === 0 ? json(sent.response, 401, failure('invalid_token')) : accept(sent, index),
      )
      const service = await startOn(provider, {}, { clock })
      await service.submit(aRequest)
      await clock.advance(60_000)
      expect(await jobOf(service.submit(aRequest))).toMatchObject({ status: 'processing', task_id: 't-2' })
    })

    test('and the rest follow as soon as it is accepted, or refused for a reason of its own', async () => {
      const taken = await oneAhead()
      accept(taken.ahead, 1)
      await until(() => taken.provider.submits.length === 5)
      const refused = await oneAhead()
      json(refused.ahead.response, 403, failure('forbidden'))
      await until(() => refused.provider.submits.length === 5)
    })

    test('and it alone fails where the account is still refused', async () => {
      const { clock, provider, service, jobs, ahead } = await oneAhead()
      json(ahead.response, 403, failure('used_up'))
      await becomes(service, jobs[0]?.id ?? '', job => job.status === 'failed')
      await clock.advance(59_999)
      await jobOf(service.submit(aRequest))
      expect(provider.submits).toHaveLength(2)
      expect(await Promise.all(jobs.slice(1).map(async job => (await read(service, job.id)).status))).toEqual([
        'queued',
        'queued',
        'queued',
      ])
      await clock.advance(1)
      await until(() => provider.submits.length === 6)
    })

    test('and another one, where it was told to wait', async () => {
      const { provider, service, ahead } = await oneAhead(1)
      json(ahead.response, 429, failure('rate_limited'))
      const next = await until(() => provider.submits[2])
      await jobOf(service.submit(aRequest))
      expect(provider.submits).toHaveLength(3)
      accept(next, 2)
      await until(() => provider.submits.length === 6)
    })
  })

  test('one for what the request holds does not', async () => {
    const provider = await fakeProvider((sent, index) =>
      index === 0 ? json(sent.response, 403, failure('forbidden')) : accept(sent, index),
    )
    const service = await startOn(provider)
    expect((await service.submit(aRequest)).status).toBe(403)
    expect(await jobOf(service.submit(aRequest))).toMatchObject({ status: 'processing', task_id: 't-2' })
  })
})

test('one that went ahead opens the way for all where it was looked at, and for one more where nobody knows that', async () => {
  const clock = testClock()
  const gate = makeAccountGate({ clock, log: testLog() }, () => {})
  const error = { code: 'used_up', message: 'no credits', traceId: null }
  const unknown = { kind: 'unconfirmed', reason: 'silence' } as const
  const limit = (): number | undefined => gate.enter(50)?.limit
  expect(limit()).toBe(50)
  gate.heard(1, { kind: 'refused', status: 403, error })
  expect([limit(), gate.pausedUntil(), gate.isDoubtful()]).toEqual([undefined, clock.now() + 60_000, true])
  await clock.advance(60_000)
  for (const taskId of [2, 3]) {
    const entry = gate.enter(50)
    expect(entry?.limit).toBe(1)
    expect(entry?.admits([taskId])).toBe(true)
    expect(limit()).toBe(undefined)
    gate.heard(taskId, unknown)
    gate.ended(taskId)
  }
  gate.enter(50)?.admits([4])
  gate.heard(4, { kind: 'accepted', taskId: 't-4', traceId: null })
  expect([limit(), gate.isDoubtful()]).toEqual([50, false])
})

test('what was claimed while the account was refused goes no further, were it claimed to go ahead', async () => {
  const clock = testClock()
  const gate = makeAccountGate({ clock, log: testLog() }, () => {})
  const refused = { kind: 'refused', status: 401, error: { code: 'invalid_token', message: 'no', traceId: null } } as const
  const entry = gate.enter(50)
  gate.heard(1, refused)
  expect(entry?.admits([2, 3])).toBe(false)
  await clock.advance(60_000)
  // Asked for in better times: it is not the one that goes ahead.
  expect(entry?.admits([2, 3])).toBe(false)
  const ahead = gate.enter(50)
  // The answer of one that was under way all the time.
  gate.heard(4, refused)
  expect(ahead?.admits([5])).toBe(false)
  await clock.advance(60_000)
  expect(gate.enter(50)?.limit).toBe(1)
})
