import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { testClock } from '../support/clock.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { type Running, startTestService } from '../support/service.ts'
import {
  aRequest,
  becomes,
  callBack,
  failure,
  fakeProvider,
  filesOf,
  finished,
  jobOf,
  json,
  passUntil,
  picturesAt,
  read,
  running,
  type Sent,
  startOn,
  submitted,
  until,
} from './setting.ts'

const png = await picture()

/** How often it was asked to the end, once that is at all. */
const asks = (service: Running) =>
  until(() => {
    const count = service.log.lines.filter(line => line.event === 'poll.done').length
    return count > 0 && count
  })

test('a result that nobody called back with is asked for', async () => {
  const clock = testClock()
  const service = await startTestService({ POLL_AFTER_S: '120' }, { clock })
  const job = await jobOf(service.submit({ prompt: 'fault:lost', image: dataUrl(await picture()), model: 'gpt-image-1' }))
  await service.sandbox?.settled()
  await clock.advance(119_999)
  expect(await read(service, job.id)).toMatchObject({ status: 'processing' })
  await clock.advance(1)
  const ended = await becomes(service, job.id, one => one.status === 'succeeded')
  expect(ended).toMatchObject({
    tasks: [{ source: 'poll' }],
    result: { data: [{ content_type: 'image/png', provider_url: null }] },
  })
  const files = await filesOf(service)
  expect(files).toHaveLength(2)
  expect(files.every(name => name.startsWith(`${job.id}/`))).toBe(true)
})

test('a failure that is found by asking ends the job', async () => {
  const { clock, provider, service, job } = await submitted()
  provider.records.push(finished('t-1', failure('bad_request')))
  await clock.advance(120_000)
  const failed = await becomes(service, job.id, one => one.status === 'failed')
  expect(failed).toMatchObject({ error: { code: 'bad_request' }, tasks: [{ source: 'poll' }], cost: { billable: 'no' } })
})

test('what is not over, or not known yet, is asked for again, less and less often', async () => {
  const { clock, provider, service, job } = await submitted()
  await clock.advance(120_000)
  await until(() => provider.asked.length === 1)
  for (const [index, waitMs] of [30_000, 45_000, 67_500].entries()) {
    await until(async () => (await asks(service)) === index + 1)
    if (index === 0) provider.records.push(running('t-1'))
    await clock.advance(waitMs - 1)
    expect(provider.asked).toHaveLength(index + 1)
    await clock.advance(1)
    await until(() => provider.asked.length === index + 2)
  }
  provider.records.splice(0, 1, finished('t-1'))
  await until(async () => (await asks(service)) === 4)
  await clock.advance(150_000)
  await becomes(service, job.id, one => one.status === 'succeeded')
})

test('an answer that is no use leaves the task to be asked for again', async () => {
  const answers: readonly ((response: ServerResponse) => void)[] = [
    response => json(response, 200, {}),
    response => json(response, 500, failure('api_error')),
    response => response.end('<html>'),
    response => response.socket?.resetAndDestroy(),
  ]
  const { clock, provider, service, job } = await submitted()
  for (const [index, answer] of answers.entries()) {
    provider.onAsked = answer
    await passUntil(clock, () => provider.asked.length === index + 1, 500)
    await until(async () => (await asks(service)) === index + 1)
    expect(await read(service, job.id)).toMatchObject({ status: 'processing' })
  }
  provider.onAsked = null
  provider.records.push(finished('t-1'))
  await passUntil(clock, async () => (await read(service, job.id)).status === 'succeeded', 10_000)
})

test('a batch is asked for in one question, and what an answer leaves out in the next', async () => {
  const clock = testClock()
  const provider = await fakeProvider()
  provider.pageSize = 12
  const service = await startOn(provider, {}, { clock })
  for (let count = 1; count <= 30; count += 1) {
    await jobOf(service.submit(aRequest))
    provider.records.push(finished(`t-${count}`))
  }
  await clock.advance(120_000)
  await passUntil(clock, () => service.log.lines.filter(line => line.event === 'poll.applied').length === 30)
  expect(provider.asked.map(query => (query['ids'] as string[]).length)).toEqual([30, 18, 6])
})

test('of a result that was asked for the good pictures are kept, and the bad ones named', async () => {
  const { clock, provider, service, job } = await submitted()
  const bytes = await picture()
  const data = [bytes, Buffer.from('<html></html>')].map(one => ({ b64_json: one.toString('base64') }))
  provider.records.push(finished('t-1', { success: true, data }))
  await clock.advance(120_000)
  const ended = await becomes(service, job.id, one => one.status === 'succeeded')
  expect(ended).toMatchObject({
    result: { data: [{ stored: true, bytes: bytes.length, content_type: 'image/png' }] },
    warnings: ["item 2 of the result's 2 was left out: its base64 holds a text"],
  })
  expect(ended.result?.data).toHaveLength(1)
  expect(await filesOf(service)).toEqual([expect.stringContaining(`${job.id}/out-`)])
})

test('a result that holds no picture is asked for, and is one that failed only if the provider has no other', async () => {
  const bad = { success: true, data: [{ b64_json: 'null' }, { b64_json: Buffer.from('{}').toString('base64') }] }
  const clock = testClock()
  // It comes as the answer itself, although a callback was asked for.
  const provider = await fakeProvider(({ response }) => json(response, 200, { ...bad, task_id: 't-1' }))
  const service = await startOn(provider, {}, { clock })
  const job = await jobOf(service.submit(aRequest))
  expect(job).toMatchObject({ status: 'processing', task_id: 't-1', result: null })
  provider.records.push(finished('t-1', bad))
  await clock.advance(120_000)
  const ended = await becomes(service, job.id, one => one.status === 'failed')
  expect(ended).toMatchObject({ result: null, error: { code: 'no_result' }, cost: { billable: 'unknown' } })
  expect(await filesOf(service)).toEqual([])
})

test('one that ended with no picture, and no word of a failure, is asked for on: its picture may be paid for', async () => {
  const { clock, provider, service, job } = await submitted()
  provider.records.push(finished('t-1', {}))
  await clock.advance(120_000)
  await becomes(service, job.id, one => one.status === 'failed')
  provider.records.splice(0, 1, finished('t-1', { data: [{ b64_json: png.toString('base64') }] }))
  const asked = provider.asked.length
  await clock.advance(29_999)
  expect(provider.asked).toHaveLength(asked)
  await clock.advance(60_001)
  expect(await becomes(service, job.id, one => one.late_result !== null)).toMatchObject({
    status: 'failed',
    late_result: { data: [{ stored: true }] },
    cost: { billable: 'yes' },
  })
})

test('and no more, once its record says that it failed', async () => {
  const { clock, provider, service, job } = await submitted()
  provider.records.push(finished('t-1', {}))
  await clock.advance(120_000)
  await becomes(service, job.id, one => one.status === 'failed')
  provider.records.splice(0, 1, finished('t-1', failure('api_error')))
  await clock.advance(90_000)
  expect(await becomes(service, job.id, one => one.cost.billable === 'no')).toMatchObject({ error: { code: 'no_result' } })
  const asked = provider.asked.length
  await clock.advance(600_000)
  expect(provider.asked).toHaveLength(asked)
})

describe('a callback and a poll of the same result: the first wins', () => {
  test('the callback comes after', async () => {
    const { clock, provider, service, job } = await submitted()
    provider.records.push(finished('t-1', picturesAt('http://127.0.0.1:1/polled.png')))
    await clock.advance(120_000)
    await becomes(service, job.id, one => one.status === 'succeeded')
    expect(await callBack(service, provider.submits[0] as Sent, picturesAt('http://127.0.0.1:1/called.png'))).toBe(200)
    const after = await read(service, job.id)
    expect(after).toMatchObject({ tasks: [{ source: 'poll' }], late_result: null })
    expect(after.result?.data.map(image => image.provider_url)).toEqual(['http://127.0.0.1:1/polled.png'])
  })

  test.each([
    ['the result', finished('t-1', { data: [{ b64_json: png.toString('base64') }] })],
    ['that it is still running', running('t-1')],
  ])('the callback comes while the provider is asked, which then says %s', async (_name, record) => {
    const { clock, provider, service, job } = await submitted()
    const asked = Promise.withResolvers<ServerResponse>()
    provider.onAsked = asked.resolve
    await clock.advance(120_000)
    const response = await asked.promise
    await callBack(service, provider.submits[0] as Sent, picturesAt('http://127.0.0.1:1/called.png'))
    json(response, 200, { items: [record] })
    await asks(service)
    const after = await read(service, job.id)
    expect(after).toMatchObject({ status: 'succeeded', tasks: [{ source: 'callback' }] })
    expect(after.result?.data.map(image => image.provider_url)).toEqual(['http://127.0.0.1:1/called.png'])
    expect(await filesOf(service)).toEqual([])
    // It is not asked for any more: another job is.
    provider.onAsked = null
    provider.asked.length = 0
    await jobOf(service.submit(aRequest))
    await passUntil(clock, () => provider.asked.length > 0, 500)
    expect(provider.asked.flatMap(query => query['ids'])).toEqual(['t-2'])
  })
})

test('a callback that can’t be read has its task asked for at once', async () => {
  const { clock, provider, service, job } = await submitted()
  provider.records.push(finished('t-1'))
  await clock.advance(1_000)
  expect(await callBack(service, provider.submits[0] as Sent, '{"success":true,"data":[{"url":"http')).toBe(400)
  const ended = await becomes(service, job.id, one => one.status === 'succeeded')
  expect(ended).toMatchObject({ tasks: [{ source: 'poll' }] })
})

test('a flood of callbacks that can’t be read asks the provider no more than once a second', async () => {
  const { clock, provider, service, job } = await submitted()
  provider.records.push(running('t-1'))
  for (let count = 0; count < 10; count += 1) expect(await callBack(service, provider.submits[0] as Sent, '{')).toBe(400)
  await asks(service)
  expect(provider.asked).toHaveLength(1)
  provider.records.splice(0, 1, finished('t-1'))
  await clock.advance(1_000)
  await becomes(service, job.id, one => one.status === 'succeeded')
  expect(provider.asked).toHaveLength(2)
})

describe('what has ended here may be running there, and is looked for until an hour past its deadline', () => {
  test('a canceled job', async () => {
    const { clock, provider, service, job } = await submitted()
    await service.call(`/jobs/${job.id}/cancel`, { method: 'POST' })
    provider.records.push(finished('t-1'))
    await clock.advance(120_000)
    const late = await becomes(service, job.id, one => one.late_result !== null)
    expect(late).toMatchObject({ status: 'canceled', result: null, cost: { billable: 'yes' } })
  })

  test('an expired job, until it is given up', async () => {
    const { clock, provider, service, job } = await submitted({}, { timeout_s: 60 })
    await clock.advance(60_000)
    await becomes(service, job.id, one => one.status === 'expired')
    const endsAt = Date.parse(job.expires_at) + 3_600_000
    const asksOf = (id: string) => provider.asked.filter(query => (query['ids'] as string[]).includes(id)).length
    await clock.advance(endsAt - 600_000 - clock.now())
    const before = asksOf('t-1')
    await passUntil(clock, () => asksOf('t-1') > before, 500)
    expect(clock.now()).toBeLessThan(endsAt)
    // The last time is the end itself, once the one before it is over.
    await until(async () => (await asks(service)) === provider.asked.length)
    const earlier = asksOf('t-1')
    await clock.advance(endsAt - clock.now())
    await passUntil(clock, async () => asksOf('t-1') > earlier && (await asks(service)) === provider.asked.length)
    // Another job shows that asking goes on.
    provider.records.push(finished('t-1'))
    provider.asked.length = 0
    await jobOf(service.submit(aRequest))
    await passUntil(clock, () => asksOf('t-2') >= 3, 60_000)
    expect(asksOf('t-1')).toBe(0)
    expect(await read(service, job.id)).toMatchObject({ status: 'expired', late_result: null })
  })
})

test('an empty path for the tasks means that nothing is ever asked', async () => {
  const { clock, provider, service, job } = await submitted({ PROVIDER_TASKS_PATH: '' })
  await clock.advance(1_700_000)
  expect(await callBack(service, provider.submits[0] as Sent, '{')).toBe(400)
  await jobOf(service.submit(aRequest))
  expect(provider.asked).toEqual([])
  expect(await read(service, job.id)).toMatchObject({ status: 'processing' })
})
