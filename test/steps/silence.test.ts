import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { testClock } from '../support/clock.ts'
import { aRequest, becomes, callBack, failure, fakeProvider, jobOf, json, picturesAt, read, startOn, until } from './setting.ts'

/** A job whose submit was sent whole, and on which nobody answers. */
async function silentJob(settings: Record<string, string> = {}, request: object = aRequest) {
  const clock = testClock()
  const provider = await fakeProvider(() => {})
  const service = await startOn(provider, { SUBMIT_TIMEOUT_MS: '30000', ...settings }, { clock })
  const answered = jobOf(service.submit(request))
  const sent = await until(() => provider.submits[0])
  await clock.advance(10_000)
  const job = await answered
  return { clock, provider, service, job, sent }
}

test('a submit that nobody answers is told of after 10 s, and is unconfirmed after its time', async () => {
  const { clock, service, job } = await silentJob()
  expect(job).toMatchObject({ status: 'processing', task_id: null, tasks: [{ status: 'submitting', attempts: 1 }] })
  await clock.advance(19_999)
  expect(await read(service, job.id)).toMatchObject({ tasks: [{ status: 'submitting' }] })
  await clock.advance(1)
  const unconfirmed = await becomes(service, job.id, one => one.tasks[0]?.status === 'unconfirmed')
  expect(unconfirmed).toMatchObject({ status: 'processing', cost: { billable: 'unknown' } })
})

const cases: readonly [string, (response: ServerResponse) => void, object][] = [
  [
    'accepted',
    response => json(response, 200, { task_id: 't-1' }),
    { status: 'processing', task_id: 't-1', tasks: [{ status: 'submitted' }] },
  ],
  [
    'a result',
    response => json(response, 200, { ...picturesAt('http://127.0.0.1:1/a.png'), task_id: 't-1' }),
    { status: 'succeeded', tasks: [{ source: 'inline' }], cost: { billable: 'yes' } },
  ],
  [
    'a failure',
    response => json(response, 200, failure('bad_request')),
    { status: 'failed', error: { code: 'bad_request' }, cost: { billable: 'no' } },
  ],
  [
    'refused',
    response => json(response, 403, failure('forbidden')),
    { status: 'failed', error: { code: 'forbidden' }, cost: { billable: 'no' } },
  ],
  [
    'too many',
    response => json(response, 429, failure('too_many_requests')),
    { status: 'failed', error: { code: 'too_many_requests' } },
  ],
  ['a server error', response => json(response, 500, failure('api_error')), { status: 'failed', error: { code: 'api_error' } }],
  [
    'a page of HTML',
    response => response.writeHead(502).end('<html>'),
    { status: 'processing', tasks: [{ status: 'unconfirmed' }] },
  ],
  ['a reset', response => response.socket?.resetAndDestroy(), { status: 'processing', tasks: [{ status: 'unconfirmed' }] }],
]

test('what is said after a submit was given up on is used, and none is submitted again', async () => {
  const clock = testClock()
  const provider = await fakeProvider(() => {})
  const service = await startOn(provider, {}, { clock })
  const answered = cases.map(([prompt]) => jobOf(service.submit({ ...aRequest, prompt })))
  await until(() => provider.submits.length === cases.length)
  await clock.advance(10_000)
  const jobs = await Promise.all(answered)
  await clock.advance(20_000)
  for (const { id } of jobs) await becomes(service, id, job => job.tasks[0]?.status === 'unconfirmed')
  const told = () => service.log.lines.filter(line => line.event.startsWith('task.')).length
  const before = told()
  for (const [prompt, answer] of cases) answer(provider.submits.find(sent => sent.prompt === prompt)?.response as ServerResponse)
  await until(() => told() === before + cases.length)
  for (const [index, [prompt, , expected]] of cases.entries())
    expect(await read(service, jobs[index]?.id ?? '')).toMatchObject({ prompt, ...expected })

  // Time passes in which a task that could be submitted again would be. A job that goes through all of it shows that it was.
  await clock.advance(130_000)
  const other = service.submit({ ...aRequest, prompt: 'other' })
  const sent = await until(() => provider.submits[cases.length])
  json(sent.response, 200, { task_id: 'other' })
  await other
  expect(provider.submits.map(one => one.prompt).slice(cases.length)).toEqual(['other'])
  for (const { id } of jobs) expect(await read(service, id)).toMatchObject({ tasks: [{ attempts: 1 }] })
})

test('a callback resolves an unconfirmed task, and a late answer does not disturb it', async () => {
  const { clock, service, job, sent } = await silentJob()
  await clock.advance(20_000)
  await becomes(service, job.id, one => one.tasks[0]?.status === 'unconfirmed')
  expect(await callBack(service, sent, { ...picturesAt('http://127.0.0.1:1/a.png'), task_id: 't-9' })).toBe(200)
  expect(await read(service, job.id)).toMatchObject({ status: 'succeeded', task_id: 't-9', tasks: [{ source: 'callback' }] })
  json(sent.response, 200, { task_id: 't-1' })
  await until(() => service.log.lines.some(line => line.event === 'task.submitted'))
  expect(await read(service, job.id)).toMatchObject({ status: 'succeeded', task_id: 't-9' })
})

test('a result on a connection that was held past the deadline is a late result', async () => {
  const { clock, service, job, sent } = await silentJob({}, { ...aRequest, timeout_s: 60 })
  await clock.advance(50_000)
  await becomes(service, job.id, one => one.status === 'expired')
  json(sent.response, 200, picturesAt('http://127.0.0.1:1/a.png'))
  const late = await becomes(service, job.id, one => one.late_result !== null)
  expect(late).toMatchObject({ status: 'expired', result: null, cost: { billable: 'yes' } })
})

test('what ended while its submit was silent is still looked for at the provider', async () => {
  const { clock, provider, service, job, sent } = await silentJob({ POLL_AFTER_S: '5' }, { ...aRequest, timeout_s: 15 })
  await clock.advance(5_000)
  await becomes(service, job.id, one => one.status === 'expired')
  provider.records.push({
    id: 't-1',
    request: { callback_url: sent.callbackUrl },
    response: picturesAt('http://127.0.0.1:1/a.png'),
    finished_at: 1,
  })
  await clock.advance(15_000)
  await until(() => service.log.lines.some(line => line.event === 'task.unconfirmed'))
  await clock.advance(6_000)
  await until(async () => {
    await clock.advance(1_000)
    return (await read(service, job.id)).late_result !== null
  })
  expect(await read(service, job.id)).toMatchObject({ status: 'expired', task_id: 't-1' })
})

test('a task that is canceled while its submit is under way stays canceled, and its result is kept', async () => {
  const { service, job, sent } = await silentJob()
  expect(await jobOf(service.call(`/jobs/${job.id}/cancel`, { method: 'POST' }))).toMatchObject({ status: 'canceled' })
  json(sent.response, 200, { task_id: 't-1' })
  await becomes(service, job.id, one => one.task_id === 't-1')
  expect(await callBack(service, sent, picturesAt('http://127.0.0.1:1/a.png'))).toBe(200)
  expect(await read(service, job.id)).toMatchObject({ status: 'canceled', result: null, late_result: { data: [{}] } })
})
