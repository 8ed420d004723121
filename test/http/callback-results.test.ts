import sharp from 'sharp'
import { expect, test } from 'vitest'
import { withSegments } from '../support/odd-pictures.ts'
import { picture, pictureOfSize } from '../support/pictures.ts'
import { startTestService } from '../support/service.ts'
import { jobNow, noted, openJob, png, send, success } from './posted.ts'
import { storedFiles } from './refusals.ts'

const base64 = png.toString('base64')

test('a result in base64 is there with hash, bytes and size as soon as the callback is answered', async () => {
  const service = await startTestService()
  const { job, path } = await openJob(service)
  expect((await send(service, path, success)).status).toBe(200)
  const after = await jobNow(service, job)
  expect(after).toMatchObject({ status: 'succeeded', task_id: job.task_id, cost: { billable: 'yes' }, error: null })
  expect(after.tasks[0]).toMatchObject({ source: 'callback', trace_id: 'a-trace', status: 'succeeded' })
  expect(after.result).toMatchObject({
    created: 5,
    data: [
      { bytes: png.length, width: 32, height: 24, content_type: 'image/png', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ],
  })
  const bytes = await (await service.call(`/jobs/${job.id}/images/0`)).arrayBuffer()
  expect(Buffer.from(bytes).equals(png)).toBe(true)
})

test('the same callback fifty times at once is applied once: one image, no stray file', async () => {
  const service = await startTestService()
  const { job, path } = await openJob(service)
  const large = (await pictureOfSize(400_000)).toString('base64')
  const body = JSON.stringify({ ...success, data: { data: [{ b64_json: large }] } })
  const answers = await Promise.all(
    Array.from({ length: 50 }, async () => (await send(service, path, body)).json() as Promise<{ outcome: string }>),
  )
  const outcomes = answers.map(answer => answer.outcome)
  expect(outcomes.filter(outcome => outcome === 'applied')).toHaveLength(1)
  expect(outcomes.filter(outcome => outcome === 'duplicate')).toHaveLength(49)
  expect((await jobNow(service, job)).result?.data).toHaveLength(1)
  expect(await storedFiles(service)).toHaveLength(3)
  expect((await noted(service, job)).map(row => row.outcome).toSorted()).toEqual(outcomes.toSorted())
})

test('the first result stays, whatever is called back after it', async () => {
  const service = await startTestService()
  const { job, path } = await openJob(service)
  await send(service, path, success)
  const first = await jobNow(service, job)
  const other = await picture({ colour: '#123456' })
  const later = [
    { ...success, data: { data: [{ b64_json: other.toString('base64') }] } },
    { success: false, error: { code: 'api_error', message: 'sorry' } },
    { data: [{ url: 'https://example.com/other.png' }] },
  ]
  for (const body of later)
    expect(await (await send(service, path, body)).json()).toEqual({ received: true, outcome: 'duplicate' })
  expect(await jobNow(service, job)).toEqual(first)
  expect(await storedFiles(service)).toHaveLength(3)
})

test('a callback for a canceled job is kept as its late result, once', async () => {
  const service = await startTestService()
  const { job, path } = await openJob(service)
  await service.call(`/jobs/${job.id}/cancel`, { method: 'POST' })
  for (const outcome of ['late', 'duplicate', 'duplicate'])
    expect(await (await send(service, path, success)).json()).toEqual({ received: true, outcome })
  const after = await jobNow(service, job)
  expect(after).toMatchObject({ status: 'canceled', result: null, cost: { billable: 'yes' } })
  expect(after.late_result?.data).toMatchObject([{ bytes: png.length }])
  expect((await service.call(new URL(after.late_result?.data[0]?.url ?? '').pathname)).status).toBe(200)
})

test('failures are understood in each of their shapes', async () => {
  const service = await startTestService()
  const failures: readonly (readonly [unknown, string, string])[] = [
    [{ success: false, error: { code: 'api_error', message: 'it broke' }, trace_id: 't' }, 'api_error', 'it broke'],
    [{ success: false, error: 'plain words' }, 'provider_error', 'plain words'],
    [{ error: { type: 'moderation' } }, 'moderation', 'moderation'],
    [{ error: { code: 500, message: 'a number' } }, '500', 'a number'],
    [{ success: false }, 'provider_error', 'the provider reported a failure'],
    [{ success: false, data: [], error: { message: 'no code' } }, 'provider_error', 'no code'],
  ]
  for (const [body, code, message] of failures) {
    const { job, path } = await openJob(service)
    expect(await (await send(service, path, body)).json()).toEqual({ received: true, outcome: 'applied' })
    expect(await jobNow(service, job)).toMatchObject({
      status: 'failed',
      result: null,
      error: { code, message },
      cost: { billable: 'no' },
    })
  }
})

test('the token decides, whatever task the body names', async () => {
  const service = await startTestService()
  const [one, other] = [await openJob(service), await openJob(service)]
  await send(service, one.path, { ...success, task_id: other.job.task_id })
  expect((await jobNow(service, one.job)).status).toBe('succeeded')
  expect((await jobNow(service, other.job)).status).toBe('processing')
})

test('what was received is shown without its pictures', async () => {
  const service = await startTestService()
  const { job, path } = await openJob(service)
  const body = JSON.stringify({ ...success, data: [{ b64_json: base64, revised_prompt: 'darker' }] })
  await send(service, path, body)
  const [row] = await noted(service, job)
  expect(row).toMatchObject({
    outcome: 'applied',
    bytes: body.length,
    body: { task_id: 'theirs', data: [{ revised_prompt: 'darker' }] },
  })
  expect(JSON.stringify(row)).not.toContain(base64.slice(0, 100))
  expect(JSON.stringify(row)).toContain(`${png.length} bytes, image/png`)
})

test.each([
  ['null, which is base64', 'null'],
  ['nothing', ''],
  ['no base64', 'error: "quota"'],
  ['a text', Buffer.from('{"error":"quota"}').toString('base64')],
  ['a page', Buffer.from('<html>quota</html>').toString('base64')],
  ['a page as a data: URL', `data:image/png;base64,${Buffer.from('<html></html>').toString('base64')}`],
])('a result whose only picture is %s is a 400, and its task is asked for', async (_what, b64_json) => {
  const service = await startTestService()
  const { job, path } = await openJob(service)
  const answer = await send(service, path, { ...success, data: { data: [{ b64_json }] } })
  expect([answer.status, await answer.json()]).toMatchObject([400, { error: { code: 'invalid_request' } }])
  expect(await jobNow(service, job)).toMatchObject({ status: 'processing', result: null, cost: { billable: 'unknown' } })
  expect((await noted(service, job)).map(row => row.outcome)).toEqual(['malformed'])
  expect((await storedFiles(service)).filter(name => name.includes('/out-'))).toEqual([])
})

test('of a result of several pictures the good ones are kept, and the bad ones named', async () => {
  const service = await startTestService()
  const { job, path } = await openJob(service)
  const b64 = (text: string) => ({ b64_json: Buffer.from(text).toString('base64') })
  const data = [
    { b64_json: base64 },
    b64('<html></html>'),
    { b64_json: '"no" base64\\' },
    { b64_json: base64, url: 7 },
    { b64_json: 'null' },
  ]
  expect(await (await send(service, path, { ...success, data: { data } })).json()).toEqual({ received: true, outcome: 'applied' })
  const after = await jobNow(service, job)
  const good = { stored: true, bytes: png.length, width: 32, height: 24 }
  expect(after).toMatchObject({ status: 'succeeded', result: { data: [good, good] } })
  expect(after.warnings).toEqual([
    "item 2 of the result's 5 was left out: its base64 holds a text",
    "item 3 of the result's 5 was left out: it has neither a URL nor base64 that can be read",
    "item 5 of the result's 5 was left out: its base64 holds 3 bytes",
  ])
  expect((await storedFiles(service)).filter(name => name.includes('/out-'))).toHaveLength(2)
})

test('base64 of a kind that is not known is kept at once, and given out as what it is', async () => {
  const service = await startTestService()
  const { job, path } = await openJob(service)
  const bytes = Buffer.concat([Buffer.from('II*\0', 'latin1'), Buffer.alloc(300, 9)])
  await send(service, path, { ...success, data: [{ b64_json: bytes.toString('base64') }] })
  const after = await jobNow(service, job)
  const unknown = { stored: true, bytes: bytes.length, content_type: 'application/octet-stream', width: null, height: null }
  expect(after).toMatchObject({ result: { data: [unknown] }, warnings: [expect.stringContaining('images/0')] })
  const answer = await service.call(`/jobs/${job.id}/images/0?width=320`)
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'content-type': 'application/octet-stream',
    'content-disposition': 'attachment',
  })
  expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true)
})

test('base64 that is no picture, beside a URL, leaves the URL to be copied', async () => {
  const service = await startTestService()
  const { job, path } = await openJob(service)
  const url = 'https://example.com/a.png'
  await send(service, path, { ...success, data: [{ b64_json: 'null', url }] })
  expect(await jobNow(service, job)).toMatchObject({ warnings: [], result: { data: [{ stored: false, provider_url: url }] } })
})

test('a turned picture has its size as it is shown when the callback is answered, wherever that stands in its file', async () => {
  const service = await startTestService()
  const turned = await sharp(png).jpeg().withMetadata({ orientation: 8 }).toBuffer()
  for (const bytes of [turned, withSegments(turned, 400_000)]) {
    const { job, path } = await openJob(service)
    await send(service, path, { ...success, data: [{ b64_json: bytes.toString('base64') }] })
    expect((await jobNow(service, job)).result?.data).toMatchObject([{ bytes: bytes.length, width: 24, height: 32 }])
  }
})
