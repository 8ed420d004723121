import { randomBytes } from 'node:crypto'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { dig, look, openReceiver, openSandbox, submitFile, textAt } from './setting.ts'

const uuid = expect.stringMatching(/^[0-9a-f-]{36}$/)
const ids = { task_id: uuid, trace_id: uuid }
const seconds = (value: unknown): boolean => typeof value === 'number' && Math.abs(value - Date.now() / 1000) < 60

describe('a held answer', () => {
  test('of gpt-image-2 is flat, with a URL and the prompt', async () => {
    const sandbox = await openSandbox()
    const answer: unknown = await (await submitFile(sandbox, {})).json()
    const data = [{ revised_prompt: 'make it dark', url: expect.stringContaining(sandbox.url) }]
    expect(answer).toEqual({ success: true, ...ids, created: expect.any(Number), data, elapsed: expect.any(Number) })
    expect(dig(answer, 'created')).toSatisfy(seconds)
  })

  test('of nano-banana has no success and no task_id, and was created at 0', async () => {
    const sandbox = await openSandbox()
    const answer: unknown = await (await submitFile(sandbox, { model: 'nano-banana' })).json()
    expect(answer).toEqual({ created: 0, data: [{ url: expect.stringContaining('.jpeg'), revised_prompt: 'make it dark' }] })
  })

  test.each([
    ['gpt-image-1', {}, 'b64_json'],
    ['gpt-image-1.5', { response_format: 'url' }, 'b64_json'],
    ['dall-e-2', { response_format: 'b64_json' }, 'b64_json'],
    ['dall-e-2', {}, 'url'],
    ['gpt-image-2', { response_format: 'b64_json' }, 'url'],
    ['someone/new', {}, 'url'],
  ])('of %s with %j carries %s', async (model, fields, key) => {
    const sandbox = await openSandbox()
    const answer: unknown = await (await submitFile(sandbox, { model, ...fields })).json()
    expect(Object.keys(Object(dig(answer, 'data', 0)))).toContain(key)
    expect(Object.keys(Object(dig(answer, 'data', 0))).filter(name => name !== 'revised_prompt')).toEqual([key])
  })

  test('comes no earlier than the delay', async () => {
    const sandbox = await openSandbox({ delayMs: 120 })
    const before = performance.now()
    await submitFile(sandbox, {})
    expect(performance.now() - before).toBeGreaterThan(115)
  })
})

describe('a callback', () => {
  test('is announced by a task_id alone, and is a POST of JSON with its length', async () => {
    const [sandbox, receiver] = [await openSandbox(), await openReceiver()]
    const callbackUrl = `${receiver.url}/callbacks/a?token=b`
    const answer: unknown = await (await submitFile(sandbox, { callback_url: callbackUrl })).json()
    expect(answer).toEqual({ task_id: uuid })
    await sandbox.settled()
    const [arrival] = receiver.arrivals
    expect(arrival).toMatchObject({ method: 'POST', url: '/callbacks/a?token=b' })
    expect(arrival?.headers).toMatchObject({ 'content-type': 'application/json', 'content-length': String(arrival?.text.length) })
    const taskId = dig(answer, 'task_id')
    expect(sandbox.callbacks).toEqual([{ at: expect.any(Number), taskId, url: callbackUrl, status: 200 }])
  })

  test('of gpt-image-2 is flat, its slashes escaped', async () => {
    const [sandbox, receiver] = [await openSandbox(), await openReceiver()]
    await submitFile(sandbox, { callback_url: receiver.url })
    await sandbox.settled()
    const text = receiver.arrivals[0]?.text ?? ''
    expect(text).toContain('http:\\/\\/127.0.0.1')
    expect(text.replaceAll('\\/', '')).not.toContain('/')
    const data = [{ revised_prompt: 'make it dark', url: expect.stringContaining(sandbox.url) }]
    expect(JSON.parse(text)).toEqual({ success: true, ...ids, created: expect.any(Number), data, elapsed: expect.any(Number) })
  })

  test('of nano-banana is flat, with success and task_id', async () => {
    const [sandbox, receiver] = [await openSandbox(), await openReceiver()]
    await submitFile(sandbox, { model: 'nano-banana-pro', callback_url: receiver.url })
    await sandbox.settled()
    expect(JSON.parse(receiver.arrivals[0]?.text ?? '')).toMatchObject({ success: true, ...ids, created: 0, data: [{}] })
  })

  test.each(['gpt-image-1', 'gpt-image-1.5'])('of %s is nested, and its base64 is the picture', async model => {
    const [sandbox, receiver] = [await openSandbox(), await openReceiver()]
    await submitFile(sandbox, { model, size: '640x480', prompt: 'add a hat', callback_url: receiver.url })
    await sandbox.settled()
    const body: unknown = JSON.parse(receiver.arrivals[0]?.text ?? '')
    expect(body).toEqual({
      success: true,
      ...ids,
      data: { created: expect.any(Number), data: [{ b64_json: expect.any(String) }] },
    })
    const picture = Buffer.from(textAt(body, 'data', 'data', 0, 'b64_json'), 'base64')
    expect(await look(picture)).toMatchObject({ format: 'png', size: '640x480' })
  })

  test('with base64 in it has its slashes escaped too', async () => {
    const [sandbox, receiver] = [await openSandbox(), await openReceiver()]
    const image = await sharp(randomBytes(64 * 64 * 3), { raw: { width: 64, height: 64, channels: 3 } })
      .png()
      .toBuffer()
    await submitFile(sandbox, { model: 'gpt-image-1', image, callback_url: receiver.url })
    await sandbox.settled()
    const text = receiver.arrivals[0]?.text ?? ''
    expect(textAt(JSON.parse(text), 'data', 'data', 0, 'b64_json')).toContain('/')
    expect(text.replaceAll('\\/', '')).not.toContain('/')
  })

  test.each([
    ['refuses', 500],
    ['redirects', 302],
  ])('to a receiver that %s is tried once', async (_, status) => {
    const sandbox = await openSandbox()
    const receiver = await openReceiver((__, response) => response.writeHead(status, { location: '/again' }).end('no'))
    await submitFile(sandbox, { callback_url: receiver.url })
    await sandbox.settled()
    expect(receiver.arrivals).toHaveLength(1)
    expect(sandbox.callbacks).toMatchObject([{ status }])
  })

  test.each(['http://127.0.0.1:1/', 'not a url', 'file:///etc/passwd'])('to %s is noted as unanswered', async callbackUrl => {
    const sandbox = await openSandbox()
    expect((await submitFile(sandbox, { callback_url: callbackUrl })).status).toBe(200)
    await sandbox.settled()
    expect(sandbox.callbacks).toMatchObject([{ url: callbackUrl, status: null }])
  })

  test('of an input that cannot be read is the failure', async () => {
    const [sandbox, receiver] = [await openSandbox(), await openReceiver()]
    await submitFile(sandbox, { image: Buffer.from('hello'), callback_url: receiver.url })
    await sandbox.settled()
    const error = { code: 'bad_request', message: expect.stringContaining('could not be read') }
    expect(JSON.parse(receiver.arrivals[0]?.text ?? '')).toEqual({ success: false, ...ids, error })
  })
})
