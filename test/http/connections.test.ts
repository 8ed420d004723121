import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { testClock } from '../support/clock.ts'
import { dataUrl, picture, pictureOfSize } from '../support/pictures.ts'
import { startTestService } from '../support/service.ts'
import { formType, imageOf, prompt, rawForm } from './forms.ts'
import { checkRefusal, expectNothingDone, type Refusal, refusalOf, storedFiles, until } from './refusals.ts'
import { head, openLine, type RawAnswer, sendRaw } from './wire.ts'

const refused = (answer: RawAnswer): Refusal =>
  checkRefusal(answer.status, answer.headers['content-type'] ?? null, answer.headers['x-request-id'] ?? null, answer.body)

test('what is no HTTP is answered in the shape of all errors, and the connection is closed', async () => {
  const service = await startTestService({}, { clock: testClock() })
  const garbage = [
    'garbage\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc',
    'GET / HTTP/9.9\r\n\r\n',
    'GET /a b HTTP/1.1\r\nhost: a\r\n\r\n',
    'GET / HTTP/1.1\r\nhost : a\r\n\r\n',
    'GET / HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n',
    'POST /jobs HTTP/1.1\r\nhost: a\r\ncontent-length: many\r\n\r\n',
    'POST /jobs HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n',
    'POST /jobs HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n',
    'POST /jobs HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n',
    'POST /jobs HTTP/1.1\r\nhost: a\r\ntransfer-encoding: nothing\r\n\r\n',
    `${head('POST /jobs', { 'content-type': 'application/json', 'transfer-encoding': 'chunked' })}zz\r\n`,
  ]
  for (const bytes of garbage) {
    const answer = await sendRaw(service.url, bytes)
    expect([bytes, answer.headers['connection'], refused(answer)]).toMatchObject([bytes, 'close', { status: 400 }])
  }
  await expectNothingDone(service)
})

test('headers that are too large are answered with 431, also while they are still coming', async () => {
  const service = await startTestService({}, { clock: testClock() })
  const line = await openLine(service.url)
  line.send('GET / HTTP/1.1\r\nhost: a\r\n')
  for (let index = 0; index < 200; index += 1) line.send(`x-${index}: ${'a'.repeat(1_000)}\r\n`)
  expect(refused(await line.answer())).toMatchObject({ status: 431, code: 'invalid_request' })
  expect(refused(await sendRaw(service.url, head(`GET /jobs?cursor=${'a'.repeat(20_000)}`)))).toMatchObject({ status: 431 })
})

test('paths that cannot be read, are too long, or lead nowhere are answered as errors', async () => {
  const service = await startTestService()
  const bad = ['/%zz', '/jobs/%zz', '/jobs/%', '/jobs/%c3%28', '/jobs/%ff', '/%c0%ae%c0%ae/']
  for (const path of bad) {
    for (const method of ['GET', 'POST', 'DELETE'])
      expect([path, refused(await sendRaw(service.url, head(`${method} ${path}`)))]).toMatchObject([path, { status: 400 }])
  }
  const nowhere = [
    '/nothing',
    '//',
    '/jobs/',
    '/jobs/a/b/c/d',
    '/jobs/..%2f..%2fetc',
    '/jobs/%00',
    '/jobs/job_%00',
    '/callbacks/%00',
  ]
  for (const path of [...nowhere, `/jobs/${'a'.repeat(5_000)}`, `/callbacks/${'a'.repeat(5_000)}`]) {
    const method = path.startsWith('/callbacks') ? 'POST' : 'GET'
    expect([path, refused(await sendRaw(service.url, head(`${method} ${path}`)))]).toMatchObject([path, { status: 404 }])
  }
  for (const method of ['PUT', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY'])
    expect([method, refused(await sendRaw(service.url, head(`${method} /jobs`)))]).toMatchObject([method, { status: 404 }])
})

test('an unknown route is a 404 whatever body comes with it', async () => {
  const service = await startTestService()
  for (const type of ['text/plain', 'garbage', 'application/json', formType, ';;;']) {
    const response = await service.call('/v1/nothing', { method: 'POST', headers: { 'content-type': type }, body: '{' })
    expect([type, await refusalOf(response)]).toMatchObject([type, { status: 404, code: 'not_found' }])
  }
})

test('requests of old clients, and expectations that we do not know, are answered', async () => {
  const service = await startTestService()
  expect((await sendRaw(service.url, 'GET /healthz HTTP/1.0\r\n\r\n')).status).toBe(200)
  expect((await sendRaw(service.url, 'GET /healthz HTTP/1.1\r\n\r\n')).status).toBe(200)
  expect((await sendRaw(service.url, '\r\n\r\nGET /healthz HTTP/1.1\r\nhost: a\r\n\r\n')).status).toBe(200)
  const body = JSON.stringify({ prompt: 'fault:lost', image: dataUrl(await picture()) })
  const headers = { 'content-type': 'application/json', 'content-length': body.length, expect: '100-continue' }
  expect((await sendRaw(service.url, `${head('POST /jobs', headers)}${body}`)).status).toBe(202)
})

test('a request id of the client is taken where it can stand in a log, else one is made', async () => {
  const service = await startTestService()
  const idFor = async (id: string): Promise<string | undefined> =>
    (await sendRaw(service.url, head('GET /nothing', { 'x-request-id': id }))).headers['x-request-id']
  expect(await idFor('abc-1:2.3')).toBe('abc-1:2.3')
  const odd = ['', 'a b', 'ü', 'a'.repeat(129), '<script>']
  const made = new Set<string | undefined>()
  for (const id of odd) made.add(await idFor(id))
  expect(made.size).toBe(odd.length)
  for (const id of made) expect(id).toMatch(/^req_[\w-]{38,60}$/)
})

test('a content length that is too short or too long is refused, and nothing is kept', async () => {
  const clock = testClock()
  const service = await startTestService({}, { clock })
  const form = rawForm([prompt, imageOf(await picture())])
  const short = { 'content-type': formType, 'content-length': form.length - 40 }
  expect(refused(await sendRaw(service.url, Buffer.concat([Buffer.from(head('POST /jobs', short)), form])))).toMatchObject({
    status: 400,
  })
  const line = await openLine(service.url)
  line.send(head('POST /jobs', { 'content-type': 'application/json', 'content-length': 1_000 }))
  line.send(JSON.stringify({ prompt: 'a' }))
  line.socket.end()
  expect(refused(await line.answer())).toMatchObject({ status: 400 })
  await expectNothingDone(service)
})

test('garbage behind a whole request does not cost it its answer', async () => {
  const service = await startTestService()
  const body = JSON.stringify({ prompt: 'fault:lost', image: dataUrl(await picture()) })
  const headers = { 'content-type': 'application/json', 'content-length': body.length }
  const line = await openLine(service.url)
  line.send(`${head('POST /jobs', headers)}${body}garbage`)
  expect((await line.answer()).status).toBe(202)
  expect(await line.closed()).toBe('')
})

test('garbage that comes while an answer is being sent is not answered into the midst of it', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const bytes = await pictureOfSize(8_000_000)
  const job = (await (await service.submit({ prompt: 'a', image: dataUrl(bytes) })).json()) as { id: string }
  const line = await openLine(service.url)
  // Not read for a while, so that the answer is still on its way when the garbage comes.
  line.socket.pause()
  let response: ServerResponse | null = null
  service.app.server.once('request', (_request, itsResponse) => {
    response = itsResponse
  })
  line.send(head(`GET /jobs/${job.id}/inputs/0`))
  await until(() => response?.headersSent === true)
  line.send('garbage\r\n\r\n')
  line.socket.resume()
  const text = await line.closed()
  const body = text.slice(text.indexOf('\r\n\r\n') + 4)
  expect(text.slice(0, 15)).toBe('HTTP/1.1 200 OK')
  expect(bytes.toString('latin1').startsWith(body)).toBe(true)
})

test('headers that do not come to their end are cut off', async () => {
  const service = await startTestService({}, { clock: testClock() })
  const { server } = service.app
  expect(server.headersTimeout).toBe(15_000)
  // Node measures this by its own clock: less of it does the same.
  server.headersTimeout = 1
  const line = await openLine(service.url)
  line.send('GET / HTTP/1.1\r\nx-a: ')
  expect(refused(await line.answer())).toMatchObject({ status: 408, code: 'request_timeout' })
})

test('closing waits for nobody: half-sent requests are cut at the deadline, and their files go', async () => {
  const service = await startTestService()
  const form = rawForm([prompt, imageOf(await pictureOfSize(700_000))])
  const [idle, halfHead, halfBody] = await Promise.all([openLine(service.url), openLine(service.url), openLine(service.url)])
  halfHead.send('GET /healthz HTTP/1.1\r\n')
  halfBody.send(head('POST /jobs', { 'content-type': formType, 'content-length': form.length }))
  halfBody.send(form.subarray(0, 600_000))
  await until(async () => (await storedFiles(service)).length > 1)
  // None of the three would ever end by itself.
  await service.close(1_200)
  await Promise.all([idle.closed(), halfHead.closed(), halfBody.closed()])
  await until(async () => (await storedFiles(service)).length === 0)
})

test('a callback whose last bytes come while we close is still taken', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  await service.submit({ prompt: 'a', image: dataUrl(await picture()) })
  const path = new URL(service.sandbox?.submits[0]?.callbackUrl ?? '').pathname
  const body = JSON.stringify({ success: true, data: { data: [{ b64_json: (await picture()).toString('base64') }] } })
  const sockets: Socket[] = []
  service.app.server.on('connection', socket => sockets.push(socket))
  const [late, later] = await Promise.all([openLine(service.url), openLine(service.url)])
  const whole = `${head(`POST ${path}`, { 'content-length': body.length })}${body}`
  late.send(whole.slice(0, -1))
  later.send(whole.slice(0, 20))
  await until(() => sockets.length === 2 && sockets.every(socket => socket.bytesRead > 0))
  const closing = service.close(5_000)
  await until(() => !service.app.server.listening)
  late.send(whole.slice(-1))
  later.send(whole.slice(20))
  expect((await late.answer()).status).toBe(200)
  expect((await later.answer()).status).toBe(200)
  await closing
})
