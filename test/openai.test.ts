import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AuthenticationError, OpenAI, PermissionDeniedError, toFile } from 'openai'
import { expect, onTestFinished, test } from 'vitest'
import type { JobView } from '../src/domain/view.ts'
import { testFolder } from './support/folder.ts'
import { dataUrl, picture } from './support/pictures.ts'
import { startReceiver } from './support/receiver.ts'
import { type Running, startTestService } from './support/service.ts'

const client = (service: Running, options = {}): OpenAI =>
  new OpenAI({ apiKey: 'web-secret', baseURL: `${service.url}/v1`, ...options })
const png = async (name = 'in.png') => toFile(await picture(), name, { type: 'image/png' })
const post = (service: Running, path: string, body: object, headers = {}): Promise<Response> =>
  service.call(path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })
const charges = (service: Running): number => service.sandbox?.charges ?? -1

test('OpenAI’s SDK edits a picture with nothing changed but its base URL', async () => {
  const service = await startTestService({ API_KEYS: 'web:web-secret' })
  const answer = await client(service).images.edit({ model: 'gpt-image-1', prompt: 'dark', image: await png() })
  const [image] = answer.data ?? []
  const bytes = Buffer.from(image?.b64_json ?? '', 'base64')
  expect(bytes.subarray(1, 4).toString()).toBe('PNG')
  const open = new URL(image?.url ?? '')
  const shown = Buffer.from(await (await service.call(open.pathname + open.search)).arrayBuffer())
  expect(shown.equals(bytes)).toBe(true)
  expect(answer).toMatchObject({
    success: true,
    created: expect.any(Number),
    job_id: expect.stringMatching(/^job_/),
    task_id: expect.any(String),
  })
})

test('files as streams, arrays, n and URLs work as the SDK sends them', async () => {
  const service = await startTestService()
  const path = join(await testFolder(), 'in.png')
  await writeFile(path, await picture())
  const openai = client(service)
  const two = await openai.images.edit({
    model: 'gpt-image-2',
    prompt: 'dark',
    image: [createReadStream(path), await png('b.png')],
    n: 2,
  })
  expect(two.data).toHaveLength(2)
  expect(two.data?.every(image => image.b64_json !== undefined && image.url !== undefined)).toBe(true)
  const urls = await openai.images.edit({ model: 'gpt-image-1', prompt: 'dark', image: await png(), response_format: 'url' })
  expect(urls.data?.[0]?.b64_json).toBeUndefined()
  expect(urls.data?.[0]?.url).toMatch(/^http/)
})

test('the provider’s own JSON, with URLs or data: URLs, is answered on every path', async () => {
  const service = await startTestService()
  const image = dataUrl(await picture())
  for (const path of ['/v1/images/edits', '/openai/images/edits', '/v1/openai/images/edits', '/v1/v1/images/edits']) {
    const answer = await post(service, path, { model: 'gpt-image-2', prompt: 'dark', image: [image] })
    expect(answer.status, path).toBe(200)
    const body = (await answer.json()) as { data: { url: string; b64_json?: string }[] }
    expect(body.data).toHaveLength(1)
    expect(body.data[0]?.b64_json).toBeUndefined()
  }
  const wrapped = await post(service, '/v1/images/edits', {
    prompt: 'dark',
    images: [{ image_url: image }],
    response_format: 'b64_json',
  })
  expect(((await wrapped.json()) as { data: { b64_json?: string }[] }).data[0]?.b64_json).toMatch(/^iVBOR/)
})

test('errors arrive as the SDK’s own classes, and what a retry cannot mend is not tried again', async () => {
  const service = await startTestService({ API_KEYS: 'web:web-secret' })
  await expect(client(service, { apiKey: 'wrong' }).images.edit({ prompt: 'dark', image: await png() })).rejects.toBeInstanceOf(
    AuthenticationError,
  )
  await expect(client(service).images.edit({ prompt: '', image: await png() })).rejects.toMatchObject({
    status: 400,
    param: 'prompt',
  })
  await expect(client(service).images.edit({ prompt: 'fault:moderation', image: await png() })).rejects.toBeInstanceOf(
    PermissionDeniedError,
  )
  const failed = client(service).images.edit({ prompt: 'fault:bad_key', image: await png() })
  await expect(failed).rejects.toMatchObject({ status: 424, code: 'invalid_token' })
  // The refusal paused submitting; the SDK was told not to ask again.
  expect(service.sandbox?.submits.filter(one => one.prompt === 'fault:bad_key')).toHaveLength(1)
  expect(charges(service)).toBe(0)
})

test('a client that times out and tries again gets its first job: one charge', async () => {
  const service = await startTestService({ SANDBOX_DELAY_MS: '1500' })
  const openai = client(service, { timeout: 500, maxRetries: 4 })
  const answer = await openai.images.edit({ model: 'gpt-image-1', prompt: 'dark', image: await png() })
  expect(answer.data?.[0]?.b64_json).toMatch(/^iVBOR/)
  expect(charges(service)).toBe(1)
})

test('two callers never get one job, and requests that are no retries are jobs of their own', async () => {
  const service = await startTestService({ SANDBOX_DELAY_MS: '300' })
  const body = { model: 'gpt-image-2', prompt: 'dark', image: dataUrl(await picture()) }
  const gone = new AbortController()
  const first = service.call('/v1/images/edits', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: gone.signal,
  })
  await waitFor(() => charges(service) === 1)
  gone.abort()
  await expect(first).rejects.toThrow()
  await waitFor(() => service.log.lines.some(line => line.event === 'client.gone'))
  const retries = await Promise.all([1, 2].map(() => post(service, '/v1/images/edits', body, { 'x-stainless-retry-count': '1' })))
  const jobs = await Promise.all(retries.map(async one => ((await one.json()) as { job_id: string }).job_id))
  expect(new Set(jobs).size).toBe(2)
  expect(charges(service)).toBe(2)
  // Both were given their answer: a later retry of the same finds nothing to claim, and one that is none does not look.
  await post(service, '/v1/images/edits', body, { 'x-stainless-retry-count': '1' })
  await post(service, '/v1/images/edits', body)
  expect(charges(service)).toBe(4)
})

test('a stream begins at once and ends with each picture', async () => {
  const service = await startTestService()
  const stream = await client(service).images.edit({
    model: 'gpt-image-1',
    prompt: 'dark',
    image: await png(),
    stream: true,
    partial_images: 2,
  })
  const events: { type: string; b64_json?: string }[] = []
  for await (const event of stream) events.push(event)
  expect(events.map(event => event.type)).toEqual(['image_edit.completed'])
  expect(events[0]?.b64_json).toMatch(/^iVBOR/)
  expect(service.sandbox?.submits[0]?.params).not.toHaveProperty('stream')
  expect(service.sandbox?.submits[0]?.params).not.toHaveProperty('partial_images')
})

test('a stream of a job that fails ends with an error', async () => {
  const service = await startTestService()
  const answer = await post(service, '/v1/images/edits', {
    prompt: 'fault:failed',
    image: dataUrl(await picture()),
    stream: true,
  })
  expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/)
  expect(await answer.text()).toMatch(/event: error\ndata: \{"type":"error","error":\{.*"code":"api_error"/)
})

test('with a callback_url the task is answered at once, and the result is POSTed in the provider’s shape', async () => {
  const receiver = await startReceiver()
  const service = await startTestService({ WEBHOOK_ALLOW_PRIVATE: 'true' })
  const form = new FormData()
  form.append('model', 'gpt-image-1')
  form.append('prompt', 'dark')
  form.append('n', '2')
  form.append('callback_url', receiver.url)
  form.append('image', new Blob([await picture()], { type: 'image/png' }), 'a.png')
  const answer = await service.call('/openai/images/edits', { method: 'POST', body: form })
  expect(answer.status).toBe(200)
  const { task_id: taskId } = (await answer.json()) as { task_id: string }
  const [told] = await receiver.count(1)
  expect(told?.headers['webhook-signature']).toMatch(/^v1,/)
  const body = JSON.parse(told?.body.toString() ?? '') as { data: { data: { b64_json: string; url: string }[] } }
  expect(body).toMatchObject({ success: true, task_id: taskId, data: { created: expect.any(Number) } })
  expect(body.data.data).toHaveLength(2)
  const job = (await (await service.call(`/jobs/${taskId}`)).json()) as JobView
  const hashes = body.data.data.map(image => createHash('sha256').update(Buffer.from(image.b64_json, 'base64')).digest('hex'))
  expect(hashes).toEqual(job.result?.data.map(image => image.sha256))
})

test('a failure is POSTed to the callback_url too', async () => {
  const receiver = await startReceiver()
  const service = await startTestService({ WEBHOOK_ALLOW_PRIVATE: 'true' })
  await post(service, '/openai/images/edits', {
    prompt: 'fault:failed',
    image: dataUrl(await picture()),
    callback_url: receiver.url,
  })
  const [told] = await receiver.count(1)
  expect(JSON.parse(told?.body.toString() ?? '')).toMatchObject({ success: false, error: { code: 'api_error' } })
})

test('an asynchronous task can be asked for in the provider’s own shape, by its own key only', async () => {
  const service = await startTestService({ API_KEYS: 'web:web-secret,app:app-secret' })
  const web = { authorization: 'Bearer web-secret' }
  const answer = await post(
    service,
    '/v1/openai/images/edits',
    { prompt: 'dark', image: dataUrl(await picture()), async: true },
    web,
  )
  const { task_id: id } = (await answer.json()) as { task_id: string }
  await service.call(`/jobs/${id}?wait=20`, { headers: web })
  const retrieve = async (body: object, headers: object) => (await post(service, '/v1/openai/tasks', body, headers)).json()
  const record = await retrieve({ action: 'retrieve', id }, web)
  expect(record).toMatchObject({
    id,
    type: 'images',
    request: { prompt: 'dark' },
    response: { success: true, task_id: id, data: [{ url: expect.any(String) }] },
  })
  expect(await retrieve({ action: 'retrieve', id }, { authorization: 'Bearer app-secret' })).toEqual({})
  expect(await retrieve({ action: 'retrieve', id: 'unknown' }, web)).toEqual({})
  expect(await retrieve({ action: 'retrieve_batch', ids: [id, 'unknown'] }, web)).toEqual({ items: [record], count: 1 })
  expect(await retrieve({ action: 'retrieve_batch', created_at_min: 0 }, web)).toEqual({ items: [record], count: 1 })
  expect(await retrieve({ action: 'retrieve_batch', created_at_max: 1 }, web)).toEqual({ items: [], count: 0 })
  expect((await post(service, '/openai/tasks', { action: 'delete' }, web)).status).toBe(400)
})

test('the models are listed as OpenAI lists them', async () => {
  const service = await startTestService()
  const ids: string[] = []
  for await (const model of client(service).models.list()) ids.push(model.id)
  expect(ids).toContain('gpt-image-2')
  expect(ids).toContain('nano-banana-pro')
})

/** Looks until something holds; the test's own time limit bounds it. */
async function waitFor(holds: () => boolean | Promise<boolean>): Promise<void> {
  let given = true
  onTestFinished(() => {
    given = false
  })
  while (given && !(await holds())) await new Promise(resolve => setImmediate(resolve))
}
