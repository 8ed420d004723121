import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Clock } from '../../src/domain/ports.ts'
import type { Provider, SubmitInput, SubmitOrder, SubmitOutcome } from '../../src/domain/provider.ts'
import { openDisk } from '../../src/files/disk.ts'
import { connectProvider } from '../../src/provider/client.ts'
import { testClock } from '../support/clock.ts'
import { testFolder } from '../support/folder.ts'

export type Connected = {
  provider: Provider
  /** Puts a picture into the job's folder, as one that was sent in. */
  store(bytes: Buffer, role?: SubmitInput['role'], contentType?: string): Promise<SubmitInput>
  /** The names of the files that lie in a folder. */
  filesIn(folder: string): Promise<string[]>
  pathOf(folder: string, name: string): string
}

export const jobId = 'job_1'

/** The provider's client as the service has it, on a disk of the test's own. */
export async function connect(baseUrl: string, options: { clock?: Clock; maxAnswerBytes?: number } = {}): Promise<Connected> {
  const folder = await testFolder()
  const blobs = await openDisk(folder)
  const provider = connectProvider({
    baseUrl,
    editsPath: '/openai/images/edits',
    tasksPath: '/openai/tasks',
    apiKey: 'a-key',
    blobs,
    clock: options.clock ?? testClock(),
    maxAnswerBytes: options.maxAnswerBytes ?? 64 * 2 ** 20,
  })
  onTestFinished(() => provider.close())
  return {
    provider,
    async store(bytes, role = 'image', contentType = 'image/png') {
      const sink = blobs.create(jobId, 'in')
      await sink.write(bytes)
      const { name, sizeBytes } = await sink.finish()
      return { role, kind: 'file', path: blobs.pathOf(jobId, name), sizeBytes, contentType }
    },
    filesIn: async name => readdir(join(folder, name)).catch(() => []),
    pathOf: (job, name) => blobs.pathOf(job, name),
  }
}

export function order(changes: Partial<SubmitOrder> = {}): SubmitOrder {
  return {
    jobId,
    model: 'gpt-image-2',
    prompt: 'dark mode',
    params: {},
    n: null,
    body: 'json',
    inputs: [{ role: 'image', kind: 'url', url: 'https://example.com/a.png' }],
    callbackUrl: 'https://us.example.com/callbacks/1.token',
    traceId: 'trace-1',
    ...changes,
  }
}

/** Submits once, and waits for what becomes of it. */
export function submit(
  { provider }: Connected,
  changes: Partial<SubmitOrder> = {},
  signal?: AbortSignal,
): Promise<SubmitOutcome> {
  return provider.submit(order(changes), signal ?? new AbortController().signal).outcome
}

export type Seen = { method: string; path: string; headers: IncomingMessage['headers']; body: Buffer; socket: Socket }

async function listening(server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** An HTTP server that reads each request to its end and then answers as it is told. `seen` are the requests. */
export async function httpServer(
  answer: (response: ServerResponse, request: Seen) => void,
): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('error', () => {})
    request.on('end', () => {
      const { method = '', url: path = '', headers, socket } = request
      const one = { method, path, headers, body: Buffer.concat(chunks), socket }
      seen.push(one)
      answer(response, one)
    })
  })
  const port = await listening(server)
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${port}`, seen }
}

/** A TCP server that does with each connection what it is told. */
export async function tcpServer(
  onSocket: (socket: Socket) => void,
): Promise<{ url: string; port: number; connections: () => number }> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createTcpServer(socket => {
    connections += 1
    sockets.add(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  const port = await listening(server)
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { url: `http://127.0.0.1:${port}`, port, connections: () => connections }
}

export function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
