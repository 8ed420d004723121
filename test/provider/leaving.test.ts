import { once } from 'node:events'
import type { Socket } from 'node:net'
import { createServer } from 'node:tls'
import { Dispatcher } from 'undici'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { watchLeaving } from '../../src/provider/leaving.ts'
import { testCertificate, testKey } from '../net/certificate.ts'
import { connect, httpServer, json, order, submit, tcpServer } from './setting.ts'

const unhandled: unknown[] = []
const note = (error: unknown): void => void unhandled.push(error)
beforeEach(() => void process.on('unhandledRejection', note))
afterEach(async () => {
  // A rejection is told of after the microtasks of its turn.
  await new Promise(resolve => setImmediate(resolve))
  process.off('unhandledRejection', note)
  expect(unhandled.splice(0)).toEqual([])
})

const notSent = { kind: 'not_sent', reason: 'unreachable', retryAfterMs: null, error: { code: 'provider_unreachable' } }
const unconfirmed = { kind: 'unconfirmed' }

test('a port that nobody listens on has got nothing', async () => {
  expect(await submit(await connect('http://127.0.0.1:1'))).toMatchObject(notSent)
})

test('a host that does not resolve has got nothing', async () => {
  expect(await submit(await connect('http://no-such-host.invalid'))).toMatchObject(notSent)
})

test('a server that does not speak TLS has got nothing', async () => {
  const server = await tcpServer(socket => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')))
  expect(await submit(await connect(server.url.replace('http:', 'https:')))).toMatchObject(notSent)
})

test('a server whose certificate nobody vouches for has got nothing, whatever the environment says of that', async () => {
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
  onTestFinished(() => void vi.unstubAllEnvs())
  const server = createServer({ key: testKey, cert: testCertificate }, socket => socket.destroy())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : null
  expect(await submit(await connect(`https://127.0.0.1:${port}`))).toMatchObject(notSent)
})

test('a submit with files that could not be connected has got nothing either, and its files are let go', async () => {
  const connected = await connect('http://127.0.0.1:1')
  const input = await connected.store(Buffer.alloc(3_000_000))
  expect(await submit(connected, { body: 'multipart', inputs: [input] })).toMatchObject(notSent)
})

test('a connection that is closed after the request came is unconfirmed, and the request is not sent again', async () => {
  const server = await tcpServer(socket => socket.once('data', () => socket.end()))
  expect(await submit(await connect(server.url))).toMatchObject(unconfirmed)
  expect(server.connections()).toBe(1)
})

test('a reset after the request came is unconfirmed, and the request is not sent again', async () => {
  const server = await tcpServer(socket => socket.once('data', () => socket.resetAndDestroy()))
  expect(await submit(await connect(server.url))).toMatchObject(unconfirmed)
  expect(server.connections()).toBe(1)
})

test('a reset in the middle of the upload is unconfirmed, and the upload is never told to have ended', async () => {
  const server = await tcpServer(socket => socket.once('data', () => socket.resetAndDestroy()))
  const connected = await connect(server.url)
  const input = await connected.store(Buffer.alloc(20_000_000))
  const attempt = connected.provider.submit(order({ body: 'multipart', inputs: [input] }), new AbortController().signal)
  let sent = false
  void attempt.sent.then(() => {
    sent = true
  })
  expect(await attempt.outcome).toMatchObject(unconfirmed)
  expect(sent).toBe(false)
})

test('a request that has left does not leave again, were it to be tried on another connection', () => {
  class TriesTwice extends Dispatcher {
    override dispatch(_options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
      for (let count = 0; count < 2; count += 1) handler.onRequestStart?.({} as Dispatcher.DispatchController, {}) // unused below
      return true
    }
  }
  const { dispatcher, left } = watchLeaving(new TriesTwice())
  let starts = 0
  const handler = { onRequestStart: () => void (starts += 1) }
  expect(() => dispatcher.dispatch({ path: '/', method: 'POST' }, handler)).toThrow('left before')
  expect([starts, left()]).toEqual([1, true])
})

test('what is no HTTP for an answer is unconfirmed', async () => {
  const server = await tcpServer(socket => socket.once('data', () => socket.end('SSH-2.0-OpenSSH\r\n')))
  expect(await submit(await connect(server.url))).toMatchObject(unconfirmed)
})

test('a file that has gone from the disk breaks the upload off', async () => {
  const server = await httpServer(response => json(response, 200, { task_id: 't-1' }))
  const connected = await connect(server.url)
  const inputs = [{ role: 'image', kind: 'file', path: '/no/such/file', sizeBytes: 100, contentType: 'image/png' }] as const
  expect(await submit(connected, { body: 'multipart', inputs })).toMatchObject(unconfirmed)
  expect(server.seen).toEqual([])
})

test('the upload has ended when its last byte was taken, not before', async () => {
  const connection = Promise.withResolvers<Socket>()
  const server = await tcpServer(socket => {
    socket.pause()
    connection.resolve(socket)
  })
  const connected = await connect(server.url)
  // More than the buffers of both sides take.
  const input = await connected.store(Buffer.alloc(32_000_000))
  const attempt = connected.provider.submit(order({ body: 'multipart', inputs: [input] }), new AbortController().signal)
  let sent = false
  const ended = attempt.sent.then(() => {
    sent = true
  })
  const socket = await connection.promise
  await once(socket, 'readable')
  expect(sent).toBe(false)
  socket.resume()
  await ended
  expect(sent).toBe(true)
  socket.end('HTTP/1.1 200 OK\r\ncontent-length: 18\r\nconnection: close\r\n\r\n{"task_id": "t-1"}')
  expect(await attempt.outcome).toMatchObject({ kind: 'accepted' })
})

test('each submit has a connection of its own, also after the records were asked for', async () => {
  const server = await httpServer((response, { path }) =>
    json(response, 200, path.endsWith('/tasks') ? { items: [] } : { task_id: 't-1' }),
  )
  const connected = await connect(server.url)
  const ask = () => connected.provider.records({ taskIds: ['t-1'] }, new AbortController().signal)
  await ask()
  await submit(connected)
  await ask()
  await submit(connected)
  await Promise.all([submit(connected), submit(connected)])
  const [edits, asked] = [true, false].map(wanted => server.seen.filter(one => one.path.endsWith('/edits') === wanted))
  const sockets = (edits ?? []).map(one => one.socket)
  expect(new Set(sockets).size).toBe(4)
  expect(sockets.filter(socket => asked?.some(one => one.socket === socket))).toEqual([])
  expect(edits?.map(one => one.headers.connection)).toEqual(['close', 'close', 'close', 'close'])
})

test('a silent provider does not hold up other submits', async () => {
  let requests = 0
  const server = await httpServer(response => {
    requests += 1
    if (requests > 1) json(response, 200, { task_id: 't-2' })
  })
  const connected = await connect(server.url)
  const giveUp = new AbortController()
  const first = connected.provider.submit(order(), giveUp.signal)
  await first.sent
  expect(await submit(connected)).toMatchObject({ kind: 'accepted', taskId: 't-2' })
  giveUp.abort()
  expect(await first.outcome).toMatchObject(unconfirmed)
})

test('listening can be given up before the answer, and in the middle of it', async () => {
  const server = await httpServer(response => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('{"task_id":')
  })
  const connected = await connect(server.url)
  const giveUp = new AbortController()
  const attempt = connected.provider.submit(order(), giveUp.signal)
  await attempt.sent
  giveUp.abort()
  expect(await attempt.outcome).toMatchObject(unconfirmed)
})

test('a submit that is called off before it is connected sends nothing, then or later', async () => {
  const server = await httpServer(response => json(response, 200, { task_id: 't-1' }))
  const connected = await connect(server.url)
  expect(await submit(connected, {}, AbortSignal.abort())).toMatchObject(notSent)
  const giveUp = new AbortController()
  const attempt = connected.provider.submit(order(), giveUp.signal)
  giveUp.abort()
  expect(await attempt.outcome).toMatchObject(notSent)
  // The connection that was on its way stands by now, or would before this one does.
  expect(await submit(connected)).toMatchObject({ kind: 'accepted' })
  expect(server.seen).toHaveLength(1)
})

test('closing ends what is under way', async () => {
  const server = await httpServer(() => {})
  const connected = await connect(server.url)
  const attempt = connected.provider.submit(order(), new AbortController().signal)
  await attempt.sent
  await connected.provider.close()
  expect(await attempt.outcome).toMatchObject(unconfirmed)
})
