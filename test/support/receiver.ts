import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { onTestFinished } from 'vitest'

export type Received = { path: string; headers: IncomingHttpHeaders; body: Buffer; at: number }
export type Answer = { status: number; headers?: Record<string, string>; body?: string } | 'silence'

export type Receiver = {
  url: string
  received: Received[]
  /** Resolves when so many have come in all. */
  count(wanted: number): Promise<Received[]>
}

/** A server that takes POSTs and answers as it is told, by the number of the request. */
export async function startReceiver(answer: (count: number) => Answer = () => ({ status: 204 })): Promise<Receiver> {
  const received: Received[] = []
  let wake: (() => void)[] = []
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      received.push({ path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks), at: Date.now() })
      const reply = answer(received.length)
      if (reply !== 'silence') response.writeHead(reply.status, reply.headers).end(reply.body ?? '')
      for (const run of wake) run()
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}/hook`,
    received,
    async count(wanted) {
      while (received.length < wanted) await new Promise<void>(resolve => wake.push(resolve))
      wake = []
      return received
    },
  }
}
