import { randomBytes } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { makeSender, type Sender } from '../../src/webhook/send.ts'
import { serve } from '../net/servers.ts'

const secret = `whsec_${randomBytes(24).toString('base64')}`
const body = {
  sizeBytes: 2,
  chunks: async function* () {
    yield Buffer.from('{}')
  },
}

function sender(timeoutMs?: number): Sender {
  const made = makeSender({ allowPrivate: true }, [secret], '0', timeoutMs)
  onTestFinished(() => made.close())
  return made
}

async function sendTo(listener: RequestListener, timeoutMs?: number) {
  const { origin } = await serve(listener)
  return sender(timeoutMs).send({ id: 'msg_1', url: `${origin}/hook`, body, now: 1_000 })
}

test('a receiver that never answers is given up after its time', async () => {
  expect(await sendTo(() => {}, 200)).toEqual({
    status: null,
    answer: 'no answer within 0.2 s',
    retryAfter: null,
    refused: false,
  })
})

test('a 2xx is delivered, however slowly its text trickles in', async () => {
  const sent = await sendTo((_request, response) => {
    response.writeHead(202, { 'retry-after': '5' })
    response.write('thank')
  }, 300)
  expect(sent).toEqual({ status: 202, answer: 'thank', retryAfter: '5', refused: false })
})

test('a status counts although its text breaks off', async () => {
  const sent = await sendTo((_request, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('tha', () => response.destroy())
  })
  expect(sent).toMatchObject({ status: 200, answer: 'tha' })
})

test('of an answer the first kB is kept, and no more is read', async () => {
  let isClosed: () => void
  const closed = new Promise<void>(resolve => {
    isClosed = resolve
  })
  const sent = await sendTo((_request, response) => {
    response.once('close', () => isClosed())
    response.writeHead(500)
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536))) {}
    }
    response.on('drain', more)
    more()
  })
  expect(sent.answer).toBe('x'.repeat(1_024))
  await closed
})

test('an answer that is no HTTP, and a connection that is refused, are no answers', async () => {
  const { origin } = await serve((request, response) => response.socket?.end('nonsense') && request)
  const one = sender()
  expect(await one.send({ id: 'msg_1', url: origin, body, now: 0 })).toMatchObject({ status: null, refused: false })
  expect(await one.send({ id: 'msg_1', url: 'http://127.0.0.1:9/', body, now: 0 })).toMatchObject({
    status: null,
    answer: 'no answer (ECONNREFUSED)',
  })
})

test('a proxy in the environment is not used', async () => {
  const proxied = await serve((_request, response) => response.writeHead(500).end('the proxy'))
  for (const name of ['http_proxy', 'HTTP_PROXY', 'ALL_PROXY']) {
    const before = process.env[name]
    process.env[name] = proxied.origin
    onTestFinished(() => {
      if (before === undefined) delete process.env[name]
      else process.env[name] = before
    })
  }
  expect(await sendTo((_request, response) => response.end('straight'))).toMatchObject({ status: 200, answer: 'straight' })
  expect(proxied.connections()).toBe(0)
})
