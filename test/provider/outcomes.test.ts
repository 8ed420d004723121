import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import type { SubmitOutcome } from '../../src/domain/provider.ts'
import { testClock } from '../support/clock.ts'
import { picture } from '../support/pictures.ts'
import { type Connected, connect, httpServer, jobId, json, sha256, submit, tcpServer } from './setting.ts'

const html = (status: number) => (response: ServerResponse) =>
  response.writeHead(status, { 'content-type': 'text/html' }).end('<html><body>nginx</body></html>')
const failure = (code: string) => ({ success: false, error: { code, message: `it was ${code}` }, trace_id: 'tr-1' })
const told = (status: number, body: unknown, headers?: Record<string, string>) => (response: ServerResponse) =>
  json(response, status, body, headers)
const raw = (status: number, text: string) => (response: ServerResponse) => response.writeHead(status).end(text)

const pngBase64 = (await picture()).toString('base64')

async function outcomeOf(answer: (response: ServerResponse) => void): Promise<{ outcome: SubmitOutcome; connected: Connected }> {
  const { url, seen } = await httpServer(answer)
  const connected = await connect(url)
  const outcome = await submit(connected)
  expect(seen).toHaveLength(1)
  return { outcome, connected }
}

describe('accepted', () => {
  test.each([
    ['the id alone', { task_id: 't-1' }, { taskId: 't-1', traceId: null }],
    ['with success', { success: true, task_id: 't-1', trace_id: 'tr-1' }, { taskId: 't-1', traceId: 'tr-1' }],
    ['an id that is a number', { task_id: 17 }, { taskId: '17', traceId: null }],
    ['a list of pictures that is still empty', { task_id: 't-1', data: [] }, { taskId: 't-1', traceId: null }],
  ])('%s', async (_name, body, expected) => {
    expect((await outcomeOf(told(200, body))).outcome).toEqual({ kind: 'accepted', ...expected })
  })
})

describe('accepted, whatever the status says', () => {
  test.each([302, 400, 401, 403, 404, 408, 409, 413, 429, 500, 502, 503, 504])(
    '%i whose JSON names the task, beside an error that is kept',
    async status => {
      const body = { ...failure('too_many_requests'), task_id: 't-1' }
      expect((await outcomeOf(told(status, body))).outcome).toEqual({
        kind: 'accepted',
        taskId: 't-1',
        traceId: 'tr-1',
        error: { code: 'too_many_requests', message: 'it was too_many_requests', traceId: 'tr-1', status },
      })
    },
  )

  test.each([400, 429, 500, 502, 503])('%i that holds the picture', async status => {
    const { outcome, connected } = await outcomeOf(told(status, { ...failure('api_error'), data: [{ b64_json: pngBase64 }] }))
    expect(outcome).toMatchObject({
      kind: 'finished',
      result: { kind: 'succeeded', images: [{ file: { contentType: 'image/png' } }] },
    })
    expect(await connected.filesIn(jobId)).toHaveLength(1)
  })
})

test.each([400, 429, 500])('%i with something else where the pictures stand is no certain refusal', async status => {
  for (const data of [[{ b64_json: 'cGFpZA==' }], { data: [{ b64_json: 'bnVsbA==' }] }]) {
    const { outcome, connected } = await outcomeOf(told(status, { ...failure('api_error'), data }))
    expect(outcome).toMatchObject({ kind: 'unconfirmed', error: { code: 'api_error', status } })
    expect(await connected.filesIn(jobId)).toEqual([])
  }
  for (const data of [null, [], {}, [null], { detail: 'no' }])
    expect((await outcomeOf(told(status, { ...failure('api_error'), data }))).outcome.kind).not.toBe('unconfirmed')
})

describe('finished at once', () => {
  test('a result with URLs', async () => {
    const body = { success: true, task_id: 't-1', created: 1_777_048_863, data: [{ url: 'https://cdn.example.com/a.png' }] }
    const { outcome } = await outcomeOf(told(200, body))
    expect(outcome).toMatchObject({ kind: 'finished', result: { kind: 'succeeded', taskId: 't-1', created: 1_777_048_863 } })
  })

  test('a failure under a 200', async () => {
    const { outcome } = await outcomeOf(told(200, failure('bad_request')))
    expect(outcome).toMatchObject({
      kind: 'finished',
      result: { kind: 'failed', error: { code: 'bad_request', traceId: 'tr-1' } },
    })
  })

  test('base64 of several MB, which is on the disk when it is told', async () => {
    const [bytes, second] = [randomBytes(5_000_000), randomBytes(500)]
    const data = [{ b64_json: bytes.toString('base64') }, { b64_json: second.toString('base64') }]
    const { outcome, connected } = await outcomeOf(told(200, { created: 0, data }))
    const images = outcome.kind === 'finished' && outcome.result.kind === 'succeeded' ? outcome.result.images : []
    expect(images.map(image => image.file?.sha256)).toEqual([sha256(bytes), sha256(second)])
    const [first] = images
    expect(await connected.filesIn(jobId)).toHaveLength(2)
    expect(sha256(await readFile(connected.pathOf(jobId, first?.file?.name ?? '')))).toBe(sha256(bytes))
  })
})

describe('refused', () => {
  test.each([
    [400, 'bad_request'],
    [401, 'invalid_token'],
    [403, 'used_up'],
    [404, 'no_api'],
    [409, 'conflict'],
    [422, 'unprocessable'],
  ])('%i with the provider’s error', async (status, code) => {
    const { outcome } = await outcomeOf(told(status, failure(code)))
    expect(outcome).toEqual({
      kind: 'refused',
      status,
      error: { code, message: `it was ${code}`, traceId: 'tr-1', status },
    })
  })

  test.each([
    [{ error: 'the key is wrong' }, 'the key is wrong'],
    [{ message: 'Forbidden' }, 'Forbidden'],
    [{ detail: 'Not Found' }, 'Not Found'],
    [{ detail: { message: 'Not allowed' } }, 'Not allowed'],
    [{}, 'the provider answered HTTP 403'],
  ])('403 with JSON of another shape: %j', async (body, message) => {
    const { outcome } = await outcomeOf(told(403, body))
    expect(outcome).toMatchObject({ kind: 'refused', status: 403, error: { code: 'provider_error', message } })
  })

  test('403 whose error has no frame, in the words it has', async () => {
    const { outcome } = await outcomeOf(told(403, { code: 'used_up', message: 'no credits', trace_id: 'tr-2' }))
    const error = { code: 'used_up', message: 'no credits', traceId: 'tr-2', status: 403 }
    expect(outcome).toEqual({ kind: 'refused', status: 403, error })
  })

  test.each([
    [429, 'used_up'],
    [500, 'invalid_token'],
    [500, 'token_expired'],
    [429, 'disabled'],
  ])('%i about the account (%s), which no other try mends', async (status, code) => {
    const { outcome } = await outcomeOf(told(status, failure(code)))
    expect(outcome).toMatchObject({ kind: 'refused', status, error: { code, status } })
  })

  test.each([
    ['HTML', html(413), 'payload_too_large', /^the request had 0\.0 MB, and the provider takes 28 to 30 MB: send fewer/],
    ['JSON', told(413, failure('too_big')), 'too_big', /^it was too_big: the request had .*send fewer/],
  ])('413 with %s, and what to do', async (_name, answer, code, message) => {
    const { outcome } = await outcomeOf(answer)
    expect(outcome).toMatchObject({
      kind: 'refused',
      status: 413,
      error: { code, message: expect.stringMatching(message), status: 413 },
    })
  })

  test('413 that comes before the body has gone', async () => {
    const { url } = await tcpServer(socket =>
      socket.once('data', () => {
        socket.write('HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
        socket.resume()
      }),
    )
    const connected = await connect(url)
    const inputs = [await connected.store(randomBytes(8_000_000))]
    expect(await submit(connected, { body: 'multipart', inputs })).toMatchObject({
      kind: 'refused',
      error: { message: expect.stringContaining('the request had 7.6 MB') },
    })
  })

  test.each([301, 302, 307, 308])('a redirect (%i), which is not followed', async status => {
    const { outcome } = await outcomeOf(response => response.writeHead(status, { location: '/elsewhere' }).end())
    expect(outcome).toMatchObject({ kind: 'refused', status, error: { code: 'redirected' } })
  })
})

describe('certainly not accepted', () => {
  const clock = testClock(Date.UTC(2026, 0, 15, 12))

  test.each([
    ['nothing', {}, null],
    ['seconds', { 'retry-after': '7' }, 7_000],
    ['seconds with a fraction', { 'retry-after': '0.5' }, 500],
    ['a date', { 'retry-after': 'Thu, 15 Jan 2026 12:00:30 GMT' }, 30_000],
    ['a date that is over', { 'retry-after': 'Thu, 15 Jan 2026 11:00:00 GMT' }, 0],
    ['something else', { 'retry-after': 'soon' }, null],
  ])('429, with %s for Retry-After', async (_name, headers, retryAfterMs) => {
    const { url } = await httpServer(told(429, failure('too_many_requests'), headers))
    expect(await submit(await connect(url, { clock }))).toMatchObject({
      kind: 'not_sent',
      reason: 'rate_limited',
      retryAfterMs,
      error: { code: 'too_many_requests' },
    })
  })

  test('429 without JSON', async () => {
    const { outcome } = await outcomeOf(html(429))
    expect(outcome).toMatchObject({ kind: 'not_sent', reason: 'rate_limited', error: { code: 'rate_limited' } })
  })

  test('500 with the provider’s error', async () => {
    const { outcome } = await outcomeOf(told(500, failure('api_error'), { 'retry-after': '3' }))
    expect(outcome).toMatchObject({ kind: 'not_sent', reason: 'server_error', retryAfterMs: 3_000, error: { code: 'api_error' } })
  })
})

describe('nobody knows', () => {
  test.each<[string, (response: ServerResponse) => void]>([
    ['500 without JSON', html(500)],
    ['500 with JSON that is no error', told(500, { message: 'Internal Server Error' })],
    ['502 with HTML', html(502)],
    ['503 with HTML', html(503)],
    ['504 with HTML', html(504)],
    ['504 with the provider’s timeout', told(504, failure('timeout'))],
    ['502 with the provider’s error', told(502, failure('api_error'))],
    ['408 with the provider’s error', told(408, failure('timeout'))],
    ['400 without JSON', html(400)],
    ['403 without JSON', html(403)],
    ['200 with HTML', html(200)],
    ['200 with nothing', raw(200, '')],
    ['204', raw(204, '')],
    ['200 with JSON that is cut off', raw(200, '{"success":true,"task_id":"t-')],
    ['200 with JSON that says nothing', told(200, {})],
    ['200 with a list', told(200, ['t-1'])],
    ['200 with success false and no error', told(200, null)],
    [
      'an answer that breaks off',
      response => {
        response.writeHead(200, { 'content-length': '100' }).write('{"task_id":"t-1"', () => response.socket?.resetAndDestroy())
      },
    ],
  ])('%s', async (_name, answer) => {
    expect((await outcomeOf(answer)).outcome).toMatchObject({ kind: 'unconfirmed' })
  })

  test('a 429 whose body breaks off, or is more than may be: it may have named the task', async () => {
    const breaks = (response: ServerResponse): void => {
      const headers = { 'content-type': 'application/json', 'content-length': '100' }
      response.writeHead(429, headers).write('{"success":false,"task_id":"t-', () => response.socket?.resetAndDestroy())
    }
    expect((await outcomeOf(breaks)).outcome).toMatchObject({ kind: 'unconfirmed' })
    const { url } = await httpServer(told(429, { padding: 'x'.repeat(20_000), task_id: 't-1' }))
    expect(await submit(await connect(url, { maxAnswerBytes: 10_000 }))).toMatchObject({ kind: 'unconfirmed' })
  })

  test.each([
    [502, 'api_error'],
    [503, 'used_up'],
    [504, 'timeout'],
    [408, 'timeout'],
  ])('%i with JSON, which is kept (%s)', async (status, code) => {
    const error = { code, message: `it was ${code}`, traceId: 'tr-1', status }
    expect((await outcomeOf(told(status, failure(code)))).outcome).toEqual({
      kind: 'unconfirmed',
      reason: `HTTP ${status} ${code}`,
      error,
    })
  })

  test('a result with more pictures than one may have, unless a task_id says that it was accepted', async () => {
    const data = Array.from({ length: 257 }, () => ({ url: 'https://cdn.example.com/a.png' }))
    expect((await outcomeOf(told(200, { data }))).outcome).toMatchObject({ kind: 'unconfirmed' })
    expect((await outcomeOf(told(200, { data, task_id: 't-1' }))).outcome).toMatchObject({ kind: 'accepted', taskId: 't-1' })
  })

  test('an answer that is larger than may be', async () => {
    const { url } = await httpServer(told(200, { task_id: 't-1', padding: 'x'.repeat(20_000) }))
    expect(await submit(await connect(url, { maxAnswerBytes: 10_000 }))).toMatchObject({ kind: 'unconfirmed' })
  })
})

describe('pictures of an answer that is not used leave nothing', () => {
  const b64_json = randomBytes(300_000).toString('base64')

  test.each<[string, string, (response: ServerResponse) => void]>([
    ['refused', 'an error', told(400, { ...failure('bad_request'), preview: { b64_json } })],
    ['not_sent', 'a 429', told(429, { preview: { b64_json } })],
    ['unconfirmed', 'a 502', told(502, { preview: { b64_json } })],
    ['accepted', 'a 503 that names its task', told(503, { task_id: 't-1', preview: { b64_json } })],
    ['accepted', 'one that is only a preview', told(200, { task_id: 't-1', preview: { b64_json } })],
    [
      'unconfirmed',
      'one that breaks off',
      response => {
        response.writeHead(200, { 'content-length': '900000' })
        response.write(`{"data":[{"b64_json":"${b64_json}"},{"b64_json":"${b64_json.slice(0, 100_000)}`, () =>
          setImmediate(() => response.socket?.resetAndDestroy()),
        )
      },
    ],
    ['unconfirmed', 'one that is no JSON after all', raw(200, `{"data":[{"b64_json":"${b64_json}"}],,}`)],
  ])('%s: %s', async (kind, _name, answer) => {
    const { outcome, connected } = await outcomeOf(answer)
    expect(outcome.kind).toBe(kind)
    expect(await connected.filesIn(jobId)).toEqual([])
  })
})
