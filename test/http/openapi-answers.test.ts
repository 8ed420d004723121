import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type ErrorCode, ServiceError, statusOfCode } from '../../src/domain/errors.ts'
import type { JobView } from '../../src/domain/view.ts'
import { badRequestText, errorBody } from '../../src/http/errors.ts'
import { testClock } from '../support/clock.ts'
import { dataUrl, picture, pictureOfSize } from '../support/pictures.ts'
import { startReceiver } from '../support/receiver.ts'
import { type Running, startTestService } from '../support/service.ts'
import { type Asker, askerOf, post } from './asked.ts'
import { png, success } from './posted.ts'
import { until } from './refusals.ts'

const image = dataUrl(await picture())
const jobRoute = 'GET /jobs/{taskId}'

async function submitted(asker: Asker, fields: object): Promise<JobView> {
  const { status, body } = await asker.ask('POST /jobs', '/jobs', post({ prompt: 'dark mode', image, ...fields }))
  expect(status).toBe(202)
  // The asker has held it to the document's Job.
  return body as JobView
}

async function ended(asker: Asker, { id }: JobView): Promise<JobView> {
  return (await asker.ask(jobRoute, `/jobs/${id}?wait=20`)).body as JobView
}

function callbackPath(service: Running): string {
  return new URL(service.sandbox?.submits.at(-1)?.callbackUrl ?? '').pathname
}

test('jobs in every state are as the document says', async () => {
  const service = await startTestService({ WEBHOOK_ALLOW_PRIVATE: 'true' })
  const asker = await askerOf(service)
  const { ask } = asker
  const metadata = { order: '1001', __proto__x: '"\\ü😀' }
  const byUrl = await ended(asker, await submitted(asker, { size: '1024x1536', metadata, n: 2 }))
  expect([byUrl.status, byUrl.result?.data.length]).toEqual(['succeeded', 2])
  const byBytes = await ended(asker, await submitted(asker, { prompt: 'fault:b64' }))
  expect(byBytes.result?.data[0]?.provider_url).toBeNull()
  expect((await ended(asker, await submitted(asker, { prompt: 'fault:failed' }))).error).not.toBeNull()
  const expiring = await submitted(asker, { prompt: 'fault:empty', timeout_s: 1 })
  const masked = await submitted(asker, { model: 'nano-banana', size: '1x1', mask: image })
  expect(masked.warnings).toHaveLength(2)

  const late = await submitted(asker, { prompt: 'fault:empty' })
  const path = callbackPath(service)
  expect((await ask('POST /jobs/{taskId}/cancel', `/jobs/${late.id}/cancel`, { method: 'POST' })).body).toMatchObject({
    status: 'canceled',
  })
  for (const [outcome, body] of [
    ['late', success],
    ['duplicate', success],
  ] as const)
    expect((await ask('POST /callbacks/{token}', path, post(body))).body).toEqual({ received: true, outcome })
  await ask('POST /callbacks/{token}', path, post('{'))
  const after = (await ask(jobRoute, `/jobs/${late.id}`)).body as JobView
  expect([after.status, after.late_result?.data.length]).toEqual(['canceled', 1])
  const callbacks = (await ask('GET /jobs/{taskId}/callbacks', `/jobs/${late.id}/callbacks`)).body
  expect(callbacks).toMatchObject({ data: [{ outcome: 'late' }, { outcome: 'duplicate' }, { outcome: 'malformed' }] })
  expect((await ask('POST /jobs/{taskId}/retry', `/jobs/${late.id}/retry`, { method: 'POST' })).body).toMatchObject({
    retry_of: late.id,
  })
  expect((await ended(asker, expiring)).status).toBe('expired')

  // The provider's account has nothing left: what comes after waits.
  expect((await ask('POST /jobs', '/jobs', post({ prompt: 'fault:used_up', image }))).status).toBe(402)
  expect((await submitted(asker, {})).status).toBe('queued')
  const list = (await ask('GET /jobs', '/jobs?limit=3')).body as { next_cursor: string }
  await ask('GET /jobs', `/jobs?limit=100&cursor=${list.next_cursor}`)
  const etag = (await ask(jobRoute, `/jobs/${late.id}`)).headers.get('etag') ?? ''
  expect((await ask(jobRoute, `/jobs/${late.id}`, { headers: { 'if-none-match': etag } })).status).toBe(304)
  expect((await ask('DELETE /jobs/{taskId}', `/jobs/${late.id}`, { method: 'DELETE' })).status).toBe(204)
})

test('pictures, events and deliveries are as the document says', async () => {
  const service = await startTestService({ WEBHOOK_ALLOW_PRIVATE: 'true' })
  const receiver = await startReceiver(count => ({ status: count === 1 ? 410 : 204, body: 'gone' }))
  const asker = await askerOf(service)
  const { ask, problems, webhookProblems } = asker
  const job = await ended(asker, await submitted(asker, { webhook_url: receiver.url, size: '1024x1024' }))
  const images = 'GET /jobs/{taskId}/images/{index}'
  const first = `/jobs/${job.id}/images/0`
  const etag = (await ask(images, first)).headers.get('etag') ?? ''
  await ask(images, `${first}?width=160`)
  const statuses = []
  for (const headers of [{ range: 'bytes=0-9' }, { range: 'bytes=999999999-' }, { 'if-none-match': etag }])
    statuses.push((await ask(images, first, { headers })).status)
  expect(statuses).toEqual([206, 416, 304])
  expect((await ask(images, `${first}?width=1`)).status).toBe(400)
  await ask('GET /jobs/{taskId}/inputs/{index}', `/jobs/${job.id}/inputs/0`)

  const events = String((await ask('GET /jobs/{taskId}/events', `/jobs/${job.id}/events`)).body)
  const told = [...events.matchAll(/^data: (.*)$/gm)].map(([, data = '']): unknown => JSON.parse(data))
  expect(told).toHaveLength(3)
  for (const view of told) expect(problems('Job', view)).toEqual([])

  const [sent] = await receiver.count(1)
  expect(webhookProblems('job.succeeded', JSON.parse(sent?.body.toString() ?? ''))).toEqual([])
  const deliveries = 'GET /jobs/{taskId}/deliveries'
  await until(async () => {
    const { body } = await ask(deliveries, `/jobs/${job.id}/deliveries`)
    return (body as { data: { attempts: object[] }[] }).data[0]?.attempts.length === 1
  })
  const again = await ask('POST /jobs/{taskId}/redeliver', `/jobs/${job.id}/redeliver`, { method: 'POST' })
  expect(again.status).toBe(202)
})

test('the OpenAI-compatible routes are as the document says', async () => {
  const service = await startTestService({ WEBHOOK_ALLOW_PRIVATE: 'true' })
  const receiver = await startReceiver()
  const { ask, problems, webhookProblems } = await askerOf(service)
  const edits = 'POST /v1/images/edits'
  const edit = async (fields: object) => ask(edits, '/v1/images/edits', post({ prompt: 'dark mode', image, ...fields }))
  const { body } = await edit({ response_format: 'b64_json' })
  const { job_id: jobId, task_id: taskId } = body as { job_id: string; task_id: string }
  expect(jobId).toMatch(/^job_/)
  await edit({ async: true })
  expect((await edit({ stream: true })).body).toContain('image_edit.completed')
  for (const [index, prompt] of ['dark mode', 'fault:failed'].entries()) {
    await edit({ prompt, callback_url: receiver.url })
    const sent: unknown = JSON.parse((await receiver.count(index + 1))[index]?.body.toString() ?? '')
    expect([sent, webhookProblems('result', sent)]).toEqual([expect.objectContaining({ success: index === 0 }), []])
  }
  for (const path of ['/openai/images/edits', '/v1/openai/images/edits', '/v1/v1/images/edits'])
    expect((await ask(`POST ${path}`, path, post({ prompt: 'dark mode', image }))).status).toBe(200)
  const statuses = []
  for (const prompt of ['', 'fault:moderation', 'fault:failed', 'fault:bad_key']) statuses.push((await edit({ prompt })).status)
  expect(statuses).toEqual([400, 403, 424, 424])

  const tasks = async (query: object) => ask('POST /openai/tasks', '/openai/tasks', post(query))
  expect((await tasks({ action: 'retrieve', id: taskId })).body).toMatchObject({ id: taskId })
  expect((await tasks({ action: 'retrieve', id: 'unknown' })).body).toEqual({})
  const { items, count } = (await tasks({ action: 'retrieve_batch' })).body as { items: object[]; count: number }
  expect([items.length, count]).toEqual([11, 11])
  for (const item of items) expect(problems('TaskRecord', item)).toEqual([])
  expect((await tasks({ action: 'x' })).status).toBe(400)
  await ask('GET /v1/models', '/v1/models')
  expect((await ask('POST /v1/openai/tasks', '/v1/openai/tasks', post({ action: 'retrieve_batch', limit: 1 }))).status).toBe(200)
})

test('an edit that takes too long is answered as the document says', async () => {
  const clock = testClock()
  const service = await startTestService({}, { clock })
  const { ask } = await askerOf(service)
  const asked = ask('POST /v1/images/edits', '/v1/images/edits', post({ prompt: 'fault:empty', image }))
  await until(
    async () =>
      (await service.store.jobs({ owner: null, status: 'processing', model: null, before: null, limit: 1 })).length === 1,
  )
  await clock.advance(280_000)
  expect((await asked).body).toMatchObject({ error: { code: 'timeout', job_id: expect.any(String) } })
})

test('errors are as the document says, whatever is wrong', async () => {
  const service = await startTestService({
    API_KEYS: 'ann:key-of-ann',
    ADMIN_KEY: 'key-of-admin',
    RATE_LIMIT_MAX: '14',
    MAX_IMAGE_BYTES: '10000',
  })
  const { ask, answered } = await askerOf(service)
  const key = { authorization: 'Bearer key-of-ann' }
  const submit = async (body: unknown, headers: Record<string, string> = {}) =>
    ask('POST /jobs', '/jobs', post(body, { ...key, ...headers }))
  const good = { prompt: 'fault:empty', image }
  const { body } = await submit(good, { 'idempotency-key': 'a' })
  const { id } = body as JobView
  expect((await submit(good, { 'idempotency-key': 'a' })).headers.get('idempotent-replayed')).toBe('true')
  await submit({ ...good, prompt: 'b' }, { 'idempotency-key': 'a' })
  await submit({})
  await submit({ prompt: 'fault:moderation', image })
  await submit({ prompt: 'a', image: dataUrl(await pictureOfSize(20_000)) })
  await submit('x', { 'content-type': 'text/plain' })
  await ask('POST /jobs', '/jobs', post(good))
  await ask(jobRoute, `/jobs/${id}x`, { headers: key })
  await ask('DELETE /jobs/{taskId}', `/jobs/${id}`, { method: 'DELETE', headers: key })
  await ask('POST /jobs/{taskId}/retry', `/jobs/${id}/retry`, { method: 'POST', headers: key })
  await ask('POST /jobs/{taskId}/redeliver', `/jobs/${id}/redeliver`, { method: 'POST', headers: key })
  await ask('GET /jobs', '/jobs?limit=0', { headers: key })
  await ask('GET /events', '/events', { headers: { ...key, 'last-event-id': 'x' } })
  await ask('POST /callbacks/{token}', '/callbacks/x', post(success))
  // Nothing is said of a picture: its bytes are looked for where there is none.
  await ask('GET /jobs/{taskId}/images/{index}', `/jobs/${id}/images/0`, { headers: key })
  await rename(join(service.dataDir, 'jobs'), join(service.dataDir, 'elsewhere'))
  await writeFile(join(service.dataDir, 'jobs'), '')
  await submit({ prompt: 'a', image: dataUrl(png) })
  await rename(join(service.dataDir, 'jobs'), join(service.dataDir, 'file'))
  await rename(join(service.dataDir, 'elsewhere'), join(service.dataDir, 'jobs'))
  await until(async () => (await submit({})).status === 429)
  await ask('GET /metrics', '/metrics', { headers: { authorization: 'Bearer key-of-admin' } })
  await ask('GET /metrics', '/metrics', { headers: key })
  const statuses = new Set([...answered].map(one => Number(one.split(' ')[2])).filter(status => status >= 400))
  expect([...statuses].toSorted((a, b) => a - b)).toEqual([400, 401, 403, 404, 409, 413, 415, 422, 429, 500])
})

test('every code of an error goes with the document, also those that are hard to provoke', async () => {
  const { problems } = await askerOf(await startTestService())
  // The keys of a literal.
  for (const code of Object.keys(statusOfCode) as ErrorCode[])
    expect([code, problems('Error', errorBody(new ServiceError(code, 'a'), 'req_1'))]).toEqual([code, []])
  for (const status of [400, 408, 431] as const) {
    const [head = '', body = ''] = badRequestText('req_1', status).split('\r\n\r\n')
    expect(head).toContain('\r\nx-content-type-options: nosniff')
    expect([status, problems('Error', JSON.parse(body))]).toEqual([status, []])
  }
})

test('what tells of the service itself is as the document says', async () => {
  const service = await startTestService()
  const { ask } = await askerOf(service)
  for (const path of ['/healthz', '/readyz', '/openapi.json', '/docs']) expect((await ask(`GET ${path}`, path)).status).toBe(200)
  await service.close(2_000)
})
