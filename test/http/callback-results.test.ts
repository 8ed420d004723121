import { expect, test } from 'vitest'
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
