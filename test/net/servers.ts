import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { testCertificate, testKey } from './certificate.ts'

export type TestServer = {
  port: number
  origin: string
  /** How many connections it has seen. */
  connections: () => number
}

async function listen(server: Server, scheme: 'http' | 'https'): Promise<TestServer> {
  let connections = 0
  const open = new Set<Socket>()
  server.on('connection', socket => {
    connections++
    open.add(socket)
    socket.on('error', () => {}).on('close', () => open.delete(socket))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    for (const socket of open) socket.destroy()
    await new Promise(resolve => server.close(resolve))
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server does not listen on TCP')
  const { port } = address
  return { port, origin: `${scheme}://127.0.0.1:${port}`, connections: () => connections }
}

/** An HTTP server on 127.0.0.1 that goes away with the test. */
export function serve(listener: RequestListener): Promise<TestServer> {
  return listen(createServer(listener), 'http')
}

/** The same over TLS, with a certificate that nobody trusts. */
export function serveTls(listener: RequestListener): Promise<TestServer> {
  return listen(createTlsServer({ key: testKey, cert: testCertificate }, listener), 'https')
}

/** A server that answers the first bytes of each connection by hand. */
export function serveRaw(answer: (socket: Socket) => void): Promise<TestServer> {
  return listen(
    createTcpServer(socket => socket.once('data', () => answer(socket))),
    'http',
  )
}
