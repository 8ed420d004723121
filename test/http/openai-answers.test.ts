import { expect, test } from 'vitest'
import {
  aRequest,
  callBack,
  failure,
  fakeProvider,
  json,
  pictureServer,
  picturesAt,
  type Sent,
  startOn,
  until,
} from '../steps/setting.ts'
import { testClock } from '../support/clock.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { type Running, startTestService } from '../support/service.ts'
import { accepted, body, logged, path, post, send } from './edits.ts'
import { refusalOf } from './refusals.ts'

/* What the OpenAI-compatible edit routes answer, and with which status. */

const image = dataUrl(await picture())

type Answer = { data: { url: string; b64_json?: string }[] }

async function sendForm(service: Running, fields: Record<string, string>): Promise<Answer> {
  const form = new FormData()
  form.append('prompt', 'dark')
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  form.append('image', new Blob([await picture()], { type: 'image/png' }), 'a.png')
  // What the route answers.
  return (await (await service.call(path, { method: 'POST', body: form })).json()) as Answer
}

const hasBytes = ({ data }: Answer): boolean =>
  data.length > 0 && data.every(one => /^(iVBOR|\/9j\/|UklG)/.test(one.b64_json ?? ''))

test('whoever calls as OpenAI’s SDKs do gets bytes, of every model, unless URLs are asked for', async () => {
  const service = await startTestService()
  for (const model of ['gpt-image-2', 'nano-banana', 'dall-e-2', 'chatgpt-image-latest', 'some-other-name']) {
    expect([model, hasBytes(await sendForm(service, { model }))]).toEqual([model, true])
    expect([model, hasBytes(await sendForm(service, { model, response_format: 'url' }))]).toEqual([model, false])
    const asOpenAi = await send(service, { model, prompt: 'dark', images: [{ image_url: image }] })
    expect([model, hasBytes((await asOpenAi.json()) as Answer)]).toEqual([model, true])
  }
  const asProvider = await send(service, { prompt: 'dark', image })
  expect(hasBytes((await asProvider.json()) as Answer)).toBe(false)
  const stream = await send(service, { prompt: 'dark', images: [{ image_url: image }], stream: true })
  expect(await stream.text()).toMatch(/"b64_json":"iVBOR/)
  expect(service.sandbox?.submits.every(one => !('images' in one.params))).toBe(true)
})

test('bytes that are asked for are waited for up to the limit, and then whoever asks again gets them', async () => {
  const clock = testClock()
  const provider = await fakeProvider()
  const service = await startOn(provider, {}, { clock })
  const bytes = await picture()
  const held: (() => void)[] = []
  const pictures = await pictureServer(response => void held.push(() => response.end(bytes)))
  const content = { ...aRequest, response_format: 'b64_json' }
  const answer = post(service, content)
  const sent = await until(() => provider.submits[0])
  await callBack(service, sent, picturesAt(pictures.url))
  await until(() => held.length === 1)
  await clock.advance(61_000)
  await clock.advance(219_000)
  expect(await answer).toMatchObject({ status: 504, code: 'timeout', jobId: accepted(service)[0] })
  const again = post(service, content)
  await until(() => logged(service, 'job.claimed_by_retry') === 1)
  // Broken off for its length by now, and begun anew.
  for (const give of held) give()
  let isOver = false
  const over = again.finally(() => {
    isOver = true
  })
  await until(async () => {
    await clock.advance(1_000)
    held.at(-1)?.()
    return isOver
  })
  const given = await over
  expect(hasBytes(JSON.parse(given.text) as Answer)).toBe(true)
  expect(provider.submits).toHaveLength(1)
})

/** What an edit is answered whose task the provider ends, or refuses, in some way. */
async function answerTo(service: Running, submits: readonly Sent[], result: object) {
  const before = submits.length
  const answer = send(service, aRequest)
  await callBack(service, await until(() => submits[before]), result)
  const answered = await answer
  // An error as these routes have it.
  const told = (await answered.json()) as { error: { code: string; job_id: string; task_id: string }; trace_id?: string }
  return { status: answered.status, retry: answered.headers.get('x-should-retry'), ...told }
}

test.for([
  ['bad_request', 400],
  ['api_not_implemented', 400],
  ['used_up', 402],
  ['disabled', 403],
  ['forbidden', 403],
  ['invalid_token', 424],
  ['token_mismatched', 424],
  ['no_api', 424],
  ['too_many_requests', 424],
  ['rate_limited', 424],
  ['api_error', 424],
  ['timeout', 424],
  ['expired', 424],
  ['not_found', 424],
] as const)('a job that the provider ends with %s is answered with %i, which nobody repeats', async ([code, status]) => {
  const provider = await fakeProvider()
  const service = await startOn(provider)
  expect(await answerTo(service, provider.submits, failure(code))).toMatchObject({
    status,
    retry: 'false',
    error: { code, job_id: accepted(service)[0], task_id: 't-1' },
    trace_id: 'tr-1',
  })
})

test.for([
  [400, 'bad_request', 400],
  [401, 'invalid_token', 424],
  [402, 'used_up', 402],
  [403, 'used_up', 402],
  [403, 'forbidden', 403],
  [404, 'no_api', 424],
  [413, 'too_large', 424],
  [422, 'odd', 424],
] as const)('a submit that is refused with %i %s is answered with %i', async ([theirs, code, status]) => {
  const provider = await fakeProvider(({ response }) => json(response, theirs, failure(code)))
  const service = await startOn(provider)
  for (const where of ['/v1/images/edits', '/openai/images/edits', '/v1/openai/images/edits', '/v1/v1/images/edits']) {
    const headers = { 'content-type': 'application/json' }
    const answer = await service.call(where, { method: 'POST', headers, body: JSON.stringify({ prompt: where, image }) })
    expect(answer.headers.get('x-should-retry')).toBe('false')
    const told: unknown = await answer.json()
    expect([answer.status, told]).toMatchObject([status, { error: { code, job_id: expect.any(String) }, trace_id: 'tr-1' }])
    // The account’s refusals pause what follows.
    if (theirs === 401 || code === 'used_up') break
  }
})

test('a job that is canceled, or deleted while it is waited for, is answered with 400', async () => {
  const service = await startTestService()
  const cancel = async (jobId: string) => service.call(`/jobs/${jobId}/cancel`, { method: 'POST' })
  const first = post(service, await body({ prompt: 'fault:empty' }))
  await until(() => service.sandbox?.submits.length === 1)
  await cancel(accepted(service)[0] ?? '')
  expect(await first).toMatchObject({ status: 400, code: 'canceled', jobId: accepted(service)[0] })
  const keyed = { 'idempotency-key': 'order-1' }
  const second = post(service, await body({ prompt: 'fault:empty' }), keyed)
  await until(() => service.sandbox?.submits.length === 2)
  await cancel(accepted(service)[1] ?? '')
  await second
  await service.call(`/jobs/${accepted(service)[1]}`, { method: 'DELETE' })
  expect(await post(service, await body({ prompt: 'fault:empty' }), keyed)).toMatchObject({ status: 400, code: 'canceled' })
  expect(service.sandbox?.submits).toHaveLength(2)
})

test('at the limit the job and the task are named', async () => {
  const service = await startTestService({ ANSWER_WITHIN_S: '1' })
  const answer = await send(service, await body({ prompt: 'fault:empty' }))
  expect([answer.status, await answer.json()]).toMatchObject([
    504,
    {
      error: {
        code: 'timeout',
        type: 'api_error',
        job_id: accepted(service)[0],
        task_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      },
    },
  ])
})

test('an event tells of its picture what is known', async () => {
  const service = await startTestService()
  const asked = { quality: 'high', background: 'auto', output_format: 'webp', size: '1024x1536', stream: true }
  const text = await (await send(service, await body({ model: 'gpt-image-1', ...asked, response_format: 'b64_json' }))).text()
  const event = JSON.parse(/^data: (\{.*)$/m.exec(text)?.[1] ?? '') as Record<string, unknown>
  expect(event).toMatchObject({ type: 'image_edit.completed', quality: 'high', size: expect.stringMatching(/^\d+x\d+$/) })
  expect(event['output_format']).toBe('webp')
  expect(event).not.toHaveProperty('background')
  expect(event).not.toHaveProperty('usage')
})

test('a callback_url that is the provider’s own page on its health means that the task is wanted at once', async () => {
  const service = await startTestService()
  for (const callback_url of [
    'https://api.xhuoapi.ai/health',
    'https://api.xhuoapi.ai/v1/health',
    `${service.sandbox?.url}/health`,
  ]) {
    const answer = await send(service, { prompt: 'dark', image, callback_url })
    const { task_id: taskId } = (await answer.json()) as { task_id: string }
    await service.ended(taskId)
    const { data } = (await (await service.call(`/jobs/${taskId}/deliveries`)).json()) as { data: unknown[] }
    expect([callback_url, answer.status, data]).toEqual([callback_url, 200, []])
  }
  const elsewhere = await send(service, { prompt: 'dark', image, callback_url: 'http://127.0.0.1/health' })
  expect(await refusalOf(elsewhere)).toMatchObject({ status: 400, param: 'callback_url' })
})

test('what OpenAI and the provider have besides is a 404 that says what there is', async () => {
  const service = await startTestService()
  for (const other of [
    '/v1/images/generations',
    '/openai/images/generations',
    '/v1/openai/chat/completions',
    '/v1/images/variations',
  ]) {
    const answer = await service.call(other, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })
    const refusal = await refusalOf(answer)
    expect(refusal).toMatchObject({ status: 404, code: 'not_found' })
    expect(refusal.message).toContain('POST /v1/images/edits')
  }
})

test('no answer is waited for longer than WAIT_MAX_S, however the wait is asked for', async () => {
  const service = await startTestService({ WAIT_MAX_S: '1' })
  const submitted = await service.submit({ prompt: 'fault:empty', image })
  const { id } = (await submitted.json()) as { id: string }
  const startedAt = performance.now()
  expect((await service.call(`/jobs/${id}?wait=3600`)).status).toBe(200)
  const preferred = await service.call(`/jobs/${id}`, { headers: { prefer: 'wait=99999999999999999999' } })
  expect(preferred.headers.get('preference-applied')).toBe('wait=1')
  expect(performance.now() - startedAt).toBeLessThan(20_000)
  for (const wait of ['-1', '1.5', 'x', '', '1e3', '%2B1'])
    expect(await refusalOf(await service.call(`/jobs/${id}?wait=${wait}`))).toMatchObject({ status: 400, param: 'wait' })
  for (const prefer of ['wait=-1', 'wait=soon', 'respond-async, wait=1.5'])
    expect(await refusalOf(await service.call(`/jobs/${id}`, { headers: { prefer } }))).toMatchObject({
      status: 400,
      param: 'wait',
    })
})
