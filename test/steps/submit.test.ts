import { describe, expect, test } from 'vitest'
import { testClock } from '../support/clock.ts'
import { testFolder } from '../support/folder.ts'
import type { Running } from '../support/service.ts'
import {
  accept,
  aRequest,
  becomes,
  callBack,
  failure,
  fakeProvider,
  jobOf,
  json,
  picturesAt,
  read,
  type Sent,
  startOn,
  until,
} from './setting.ts'

const lines = (service: Running, event: string): number => service.log.lines.filter(line => line.event === event).length
const result = picturesAt('http://127.0.0.1:1/a.png')

describe('what was certainly not accepted is tried again', () => {
  test('after twice as long each time, until it is accepted', async () => {
    const clock = testClock()
    const provider = await fakeProvider((sent, index) =>
      index < 3 ? json(sent.response, 429, failure('too_many_requests')) : accept(sent, index),
    )
    const service = await startOn(provider, {}, { clock })
    const job = await jobOf(service.submit(aRequest))
    expect(job).toMatchObject({ status: 'queued', tasks: [{ status: 'queued', attempts: 1 }], cost: { billable: 'no' } })
    for (const [index, waitMs] of [2_000, 4_000, 8_000].entries()) {
      await until(() => lines(service, 'task.not_sent') === index + 1)
      await clock.advance(waitMs - 1)
      expect(provider.submits).toHaveLength(index + 1)
      await clock.advance(1)
      await until(() => provider.submits.length === index + 2)
    }
    const submitted = await becomes(service, job.id, one => one.task_id === 't-4')
    expect(submitted).toMatchObject({ status: 'processing', tasks: [{ status: 'submitted', attempts: 4 }] })
  })

  test.each([
    ['seconds', () => '30'],
    ['a date', (now: number) => new Date(now + 30_000).toUTCString()],
  ])('no sooner than a Retry-After in %s asks for', async (_name, header) => {
    const clock = testClock()
    const provider = await fakeProvider((sent, index) =>
      index === 0 ? json(sent.response, 429, {}, { 'retry-after': header(clock.now()) }) : accept(sent, index),
    )
    const service = await startOn(provider, {}, { clock })
    const job = await jobOf(service.submit(aRequest))
    await clock.advance(29_999)
    expect(provider.submits).toHaveLength(1)
    await clock.advance(1)
    await becomes(service, job.id, one => one.task_id === 't-2')
  })

  test('a provider that is not there is tried again until it is', async () => {
    const clock = testClock()
    const provider = await fakeProvider()
    const service = await startOn(provider, { PROVIDER_BASE_URL: 'http://127.0.0.1:1' }, { clock })
    const job = await jobOf(service.submit(aRequest))
    expect(job).toMatchObject({ status: 'queued', tasks: [{ status: 'queued' }] })
    await until(async () => {
      await clock.advance(5_000)
      return lines(service, 'task.not_sent') >= 8
    })
    expect(await read(service, job.id)).toMatchObject({ status: 'queued', cost: { billable: 'no' } })
  })

  test('but what the provider cannot do six times has failed', async () => {
    const clock = testClock()
    const provider = await fakeProvider(({ response }) => json(response, 500, failure('api_error')))
    const service = await startOn(provider, {}, { clock })
    const job = await jobOf(service.submit(aRequest))
    expect(job).toMatchObject({ status: 'queued' })
    const failed = await until(async () => {
      await clock.advance(5_000)
      const now = await read(service, job.id)
      return now.status === 'failed' && now
    })
    expect(failed).toMatchObject({ error: { code: 'api_error', retryable: true }, cost: { billable: 'no' } })
    expect(provider.submits).toHaveLength(6)
  })

  test('a result may even follow an answer that said it was not accepted: then it is not tried again', async () => {
    const clock = testClock()
    const provider = await fakeProvider(({ response }) => json(response, 500, failure('api_error')))
    const service = await startOn(provider, {}, { clock })
    const job = await jobOf(service.submit(aRequest))
    expect(await callBack(service, provider.submits[0] as Sent, result)).toBe(200)
    expect(await read(service, job.id)).toMatchObject({ status: 'succeeded', cost: { billable: 'yes' } })
    await clock.advance(10_000)
    await jobOf(service.submit(aRequest))
    expect(provider.submits).toHaveLength(2)
  })
})

describe('there is only so much room at the provider', () => {
  test('the rest waits, and goes on first come, first served as places are free', async () => {
    const provider = await fakeProvider()
    const service = await startOn(provider, { MAX_IN_FLIGHT: '2' })
    const jobs = []
    for (const prompt of ['a', 'b', 'c', 'd', 'e']) jobs.push(await jobOf(service.submit({ ...aRequest, prompt })))
    expect(jobs.map(job => job.status)).toEqual(['processing', 'processing', 'queued', 'queued', 'queued'])
    for (const [index, prompt] of ['c', 'd', 'e'].entries()) {
      await callBack(service, provider.submits[index] as Sent, result)
      await until(() => provider.submits.length === index + 3)
      expect(provider.submits.at(-1)?.prompt).toBe(prompt)
    }
  })

  test('a job of more tasks than there are places takes them one after the other', async () => {
    const provider = await fakeProvider()
    const service = await startOn(provider, { MAX_IN_FLIGHT: '1' })
    const job = await jobOf(service.submit({ ...aRequest, n: 3 }))
    expect(job.tasks.map(task => task.status)).toEqual(['submitted', 'queued', 'queued'])
    for (let index = 0; index < 3; index += 1) {
      const sent = await until(() => provider.submits[index])
      await callBack(service, sent, result)
    }
    expect(await becomes(service, job.id, one => one.status === 'succeeded')).toMatchObject({ result: { data: [{}, {}, {}] } })
  })

  test('an unconfirmed task takes room for five minutes', async () => {
    const clock = testClock()
    const provider = await fakeProvider((sent, index) => (index === 0 ? sent.response.writeHead(502).end() : accept(sent, index)))
    const service = await startOn(provider, { MAX_IN_FLIGHT: '1' }, { clock })
    await jobOf(service.submit(aRequest))
    const waiting = await jobOf(service.submit(aRequest))
    expect(waiting.status).toBe('queued')
    await clock.advance(299_999)
    await jobOf(service.submit(aRequest))
    expect(provider.submits).toHaveLength(1)
    await clock.advance(5_001)
    await becomes(service, waiting.id, job => job.task_id === 't-2')
    expect(provider.submits).toHaveLength(2)
  })

  test('the keys take turns, after a restart too', async () => {
    const provider = await fakeProvider()
    const settings = { MAX_IN_FLIGHT: '1', API_KEYS: 'ann:a,bob:b,cid:c', DATA_DIR: await testFolder() }
    const first = await startOn(provider, settings)
    const submit = (key: string, prompt: string) => first.submit({ ...aRequest, prompt }, { authorization: `Bearer ${key}` })
    for (const prompt of ['a1', 'a2', 'a3', 'a4']) await submit('a', prompt)
    await submit('b', 'b1')
    await submit('b', 'b2')
    const end = (service: Running) => callBack(service, provider.submits.at(-1) as Sent, result)
    await end(first)
    await until(() => provider.submits.length === 2)
    await submit('c', 'c1')
    await first.close(2_000)
    const second = await startOn(provider, settings)
    for (let count = 3; count <= 7; count += 1) {
      await end(second)
      await until(() => provider.submits.length === count)
    }
    expect(provider.submits.map(sent => sent.prompt)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4'])
  })
})

describe('what is not submitted yet', () => {
  test('expires at its deadline, is not billed, and is never submitted', async () => {
    const clock = testClock()
    const provider = await fakeProvider()
    const service = await startOn(provider, { MAX_IN_FLIGHT: '1' }, { clock })
    await jobOf(service.submit(aRequest))
    const job = await jobOf(service.submit({ ...aRequest, timeout_s: 60 }))
    await clock.advance(60_000)
    const expired = await becomes(service, job.id, one => one.status === 'expired')
    expect(expired).toMatchObject({ cost: { billable: 'no' }, tasks: [{ attempts: 0 }] })
    await callBack(service, provider.submits[0] as Sent, result)
    await jobOf(service.submit(aRequest))
    expect(provider.submits).toHaveLength(2)
  })

  test('is never submitted where its deadline passed while the service was down, however many there are', async () => {
    const clock = testClock()
    const provider = await fakeProvider()
    const settings = { MAX_IN_FLIGHT: '1', DATA_DIR: await testFolder() }
    const first = await startOn(provider, settings, { clock })
    await jobOf(first.submit(aRequest))
    // More than are ended at once.
    await Promise.all(Array.from({ length: 60 }, () => first.submit({ ...aRequest, timeout_s: 60 })))
    await first.close(2_000)
    await clock.advance(60_000)
    const second = await startOn(provider, { ...settings, MAX_IN_FLIGHT: '100' }, { clock })
    await until(async () => {
      const { data } = (await (await second.call('/jobs?status=expired&limit=100')).json()) as { data: unknown[] }
      return data.length === 60
    })
    expect(provider.submits).toHaveLength(1)
  })

  test('is never submitted once it is canceled', async () => {
    const provider = await fakeProvider()
    const service = await startOn(provider, { MAX_IN_FLIGHT: '1' })
    await jobOf(service.submit(aRequest))
    const job = await jobOf(service.submit({ ...aRequest, prompt: 'canceled' }))
    const last = await jobOf(service.submit({ ...aRequest, prompt: 'last' }))
    const canceled = await jobOf(service.call(`/jobs/${job.id}/cancel`, { method: 'POST' }))
    expect(canceled).toMatchObject({ status: 'canceled', cost: { billable: 'no' }, tasks: [{ attempts: 0 }] })
    await callBack(service, provider.submits[0] as Sent, result)
    await becomes(service, last.id, one => one.task_id === 't-2')
    expect(provider.submits.map(sent => sent.prompt)).toEqual(['dark mode', 'last'])
  })
})

test('stopping waits for the answers that are under way, and submits nothing more', async () => {
  const provider = await fakeProvider(() => {})
  const dataDir = await testFolder()
  const service = await startOn(provider, { DATA_DIR: dataDir })
  const answered = service.submit(aRequest)
  const sent = await until(() => provider.submits[0])
  const closed = service.close(5_000)
  json(sent.response, 200, { task_id: 't-1' })
  await closed
  expect((await answered).status).toBe(202)
  const again = await startOn(provider, { DATA_DIR: dataDir })
  const { data } = (await (await again.call('/jobs')).json()) as { data: unknown[] }
  expect(data).toMatchObject([{ status: 'processing', task_id: 't-1', tasks: [{ status: 'submitted', attempts: 1 }] }])
})
