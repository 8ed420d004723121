import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { testClock } from '../support/clock.ts'
import { picture } from '../support/pictures.ts'
import { startReceiver } from '../support/receiver.ts'
import {
  accept,
  aRequest,
  becomes,
  callBack,
  failure,
  fakeProvider,
  finished,
  jobOf,
  json,
  passUntil,
  picturesAt,
  read,
  type Sent,
  startOn,
  submitted,
  until,
} from './setting.ts'

const pictures = picturesAt('http://127.0.0.1:1/a.png')
const balance = { code: 'used_up', message: 'Insufficient credit balance' }
const answer = (status: number, body: unknown) => (response: ServerResponse) => json(response, status, body)

/** A job whose first submit is answered so; the others are accepted. */
async function answered(respond: (response: ServerResponse) => void, settings: Record<string, string> = {}) {
  const clock = testClock()
  const provider = await fakeProvider((sent, index) => (index === 0 ? respond(sent.response) : accept(sent, index)))
  const service = await startOn(provider, settings, { clock })
  const job = await jobOf(service.submit(aRequest))
  // It was submitted, so there is one.
  return { clock, provider, service, job, sent: provider.submits[0] as Sent }
}

describe('what the provider says in a 503', () => {
  const told = answer(503, { success: false, error: balance, trace_id: 'tr-1' })
  const error = { ...balance, type: 'permission_error', trace_id: 'tr-1', retryable: true }

  test('stands in the task at once, which stays unconfirmed and is not submitted again', async () => {
    const { clock, provider, service, job } = await answered(told)
    expect(job).toMatchObject({ status: 'processing', error: null, errors: [], tasks: [{ status: 'unconfirmed', error }] })
    await clock.advance(600_000)
    expect(await read(service, job.id)).toMatchObject({ tasks: [{ status: 'unconfirmed', attempts: 1 }] })
    expect(provider.submits).toHaveLength(1)
  })

  test('is why the job has no picture, when it expires', async () => {
    const { clock, service, job } = await answered(told, { JOB_TIMEOUT_S: '60' })
    await clock.advance(60_000)
    const expired = await becomes(service, job.id, one => one.status === 'expired')
    expect(expired).toMatchObject({ error, errors: [error], tasks: [{ error }], cost: { billable: 'unknown' } })
  })

  test('counts no more where a picture comes all the same', async () => {
    const { service, job, sent } = await answered(told)
    expect(await callBack(service, sent, pictures)).toBe(200)
    expect(await read(service, job.id)).toMatchObject({
      status: 'succeeded',
      error: null,
      errors: [],
      tasks: [{ error: null }],
      cost: { billable: 'yes' },
    })
  })

  test('counts no more where it comes after the deadline, either', async () => {
    const { clock, service, job, sent } = await answered(told, { JOB_TIMEOUT_S: '60' })
    await clock.advance(60_000)
    await becomes(service, job.id, one => one.status === 'expired')
    await callBack(service, sent, pictures)
    expect(await read(service, job.id)).toMatchObject({ error: { code: 'expired' }, late_result: { data: [{}] } })
  })

  test('is kept although the submit had been given up on', async () => {
    const clock = testClock()
    const provider = await fakeProvider(() => {})
    const service = await startOn(provider, { SUBMIT_TIMEOUT_MS: '1000' }, { clock })
    const answering = jobOf(service.submit(aRequest))
    const sent = await until(() => provider.submits[0])
    const isUnconfirmed = (one: JobView): boolean => one.tasks[0]?.status === 'unconfirmed'
    const waiting = passUntil(clock, () => service.log.lines.some(line => line.event === 'task.unconfirmed'))
    await waiting
    const job = await answering
    expect(isUnconfirmed(await read(service, job.id))).toBe(true)
    told(sent.response)
    expect(await becomes(service, job.id, one => one.tasks[0]?.error !== null)).toMatchObject({
      tasks: [{ status: 'unconfirmed', error }],
    })
  })

  test('stops all submitting for a minute, as it is about the account', async () => {
    const { clock, provider, service } = await answered(told)
    expect(await jobOf(service.submit(aRequest))).toMatchObject({ status: 'queued' })
    await clock.advance(60_000)
    await until(() => provider.submits.length === 2)
  })

  test('stops nothing where it is about something else', async () => {
    const { service } = await answered(answer(503, failure('api_error')))
    expect(await jobOf(service.submit(aRequest))).toMatchObject({ status: 'processing' })
  })
})

test.each([
  [402, 'used_up'],
  [400, 'invalid_token'],
  [429, 'disabled'],
  [500, 'token_expired'],
])('a %i that is about the account (%s) fails its job, and stops all submitting', async (status, code) => {
  const clock = testClock()
  const provider = await fakeProvider(({ response }) => json(response, status, failure(code)))
  const service = await startOn(provider, {}, { clock })
  expect((await service.submit(aRequest)).status).toBeGreaterThanOrEqual(400)
  expect(await jobOf(service.submit(aRequest))).toMatchObject({ status: 'queued' })
  expect(provider.submits).toHaveLength(1)
})

describe('an answer under a status that says no', () => {
  test.each([429, 500, 503])('but names the task (%i), was an acceptance: nothing is submitted again', async status => {
    const body = { ...failure('too_many_requests'), task_id: 't-9' }
    const { clock, provider, service, job, sent } = await answered(answer(status, body))
    const error = { code: 'too_many_requests', trace_id: 'tr-1' }
    expect(job).toMatchObject({ status: 'processing', task_id: 't-9', tasks: [{ status: 'submitted', attempts: 1, error }] })
    await clock.advance(600_000)
    expect(provider.submits).toHaveLength(1)
    await callBack(service, sent, pictures)
    expect(await read(service, job.id)).toMatchObject({ status: 'succeeded', tasks: [{ error: null }] })
  })

  test('is asked about soon, and has failed if the provider’s record says so', async () => {
    const { clock, provider, service, job } = await answered(answer(500, { ...failure('api_error'), task_id: 't-9' }))
    provider.records.push(finished('t-9', failure('forbidden')))
    await clock.advance(9_999)
    expect(provider.asked).toEqual([])
    await clock.advance(1)
    expect(await becomes(service, job.id, one => one.status === 'failed')).toMatchObject({
      error: { code: 'forbidden' },
      cost: { billable: 'no' },
    })
  })

  test('but holds the picture, is the result', async () => {
    const b64_json = (await picture()).toString('base64')
    const { job, provider } = await answered(answer(429, { ...failure('too_many_requests'), data: [{ b64_json }] }))
    expect(job).toMatchObject({ status: 'succeeded', tasks: [{ source: 'inline' }], cost: { billable: 'yes' } })
    expect(provider.submits).toHaveLength(1)
  })
})

test('a 413 is final, and says what to do', async () => {
  const provider = await fakeProvider(({ response }) => response.writeHead(413).end('<html>413</html>'))
  const service = await startOn(provider)
  const refused = await service.submit(aRequest)
  expect(refused.status).toBe(413)
  const { error, job_id: jobId } = (await refused.json()) as { error: object; job_id: string }
  expect(error).toMatchObject({ code: 'payload_too_large', message: expect.stringMatching(/28 to 30 MB: send fewer or smaller/) })
  expect(await read(service, jobId)).toMatchObject({ status: 'failed', error: { retryable: false }, cost: { billable: 'no' } })
  expect(provider.submits).toHaveLength(1)
})

describe('what a result says that it used and cost', () => {
  const usage = { input_tokens: 210, total_tokens: 4_370 }
  const report = { usage, cost: { amount: 0.37, currency: 'credit' } }

  test('stands in the job', async () => {
    const { service, job, sent } = await submitted()
    expect(job).toMatchObject({ usage: null, cost: { credits: null, source: null } })
    await callBack(service, sent, { ...pictures, ...report })
    expect(await read(service, job.id)).toMatchObject({ usage, cost: { credits: 0.37, source: 'reported', billable: 'yes' } })
  })

  test('is summed over the tasks of a job', async () => {
    const { provider, service, job } = await submitted({}, { n: 2 })
    for (const sent of provider.submits) await callBack(service, sent, { ...pictures, ...report })
    expect(await read(service, job.id)).toMatchObject({
      usage: { input_tokens: 420, total_tokens: 8_740 },
      cost: { credits: 0.74, source: 'reported' },
    })
  })

  test('is taken from a doubled callback that tells more, and from a late result', async () => {
    const { service, job, sent } = await submitted()
    await callBack(service, sent, pictures)
    await callBack(service, sent, { ...pictures, ...report })
    expect(await read(service, job.id)).toMatchObject({ usage, cost: { credits: 0.37, source: 'reported' } })
    const late = await submitted()
    await late.service.call(`/jobs/${late.job.id}/cancel`, { method: 'POST' })
    await callBack(late.service, late.sent, { ...pictures, ...report })
    expect(await read(late.service, late.job.id)).toMatchObject({
      status: 'canceled',
      usage,
      cost: { credits: 0.37, source: 'reported', billable: 'yes' },
    })
  })

  test('is taken from a record, beside the type of it', async () => {
    const { clock, provider, service, job } = await submitted({ POLL_AFTER_S: '10' })
    provider.records.push({ ...finished('t-1', { ...pictures, ...report }), type: 'images_edits' })
    await clock.advance(10_000)
    expect(await becomes(service, job.id, one => one.status === 'succeeded')).toMatchObject({ usage, cost: { credits: 0.37 } })
    expect(await service.store.job(job.id)).toMatchObject({ tasks: [{ recordType: 'images_edits' }] })
  })

  test('goes on to a client of the provider’s own interface', async () => {
    const receiver = await startReceiver()
    const provider = await fakeProvider()
    const service = await startOn(provider, { WEBHOOK_ALLOW_PRIVATE: 'true' })
    const body = JSON.stringify({ ...aRequest, callback_url: receiver.url })
    const headers = { 'content-type': 'application/json' }
    await service.call('/openai/images/edits', { method: 'POST', headers, body })
    // It was accepted, so there is one.
    await callBack(service, provider.submits[0] as Sent, {
      data: [{ b64_json: (await picture()).toString('base64') }],
      ...report,
    })
    const [sent] = await receiver.count(1)
    expect(JSON.parse(sent?.body.toString() ?? '')).toMatchObject({ success: true, ...report, data: { data: [{}] } })
  })

  test('in other money than credits says nothing of credits', async () => {
    const { service, job, sent } = await submitted()
    await callBack(service, sent, { ...pictures, cost: { amount: 0.37, currency: 'usd' }, usage: 'some' })
    expect(await read(service, job.id)).toMatchObject({ usage: null, cost: { credits: null, source: null } })
  })
})

test('the type of a record is known while its task runs', async () => {
  const { clock, provider, service, job } = await submitted({ POLL_AFTER_S: '10' })
  provider.records.push({ id: 't-1', type: 'images_edits', response: null, finished_at: null })
  await clock.advance(10_000)
  await until(async () => (await service.store.job(job.id))?.tasks[0]?.recordType === 'images_edits')
})
