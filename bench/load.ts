import { connect, type Socket } from 'node:net'
import type { Server } from './servers.ts'

/** One request as it goes over the wire, and the body that must come back, with a 200. */
export type Request = {
  head: string
  /** Where it is not part of the head. */
  body?: Buffer
  answer: string
}

export type Load = {
  server: Pick<Server, 'port' | 'cpuMs'>
  connections: number
  /** null: nothing is left to send. */
  next(): Request | null
}

export type Measured = {
  requests: number
  durationMs: number
  /** Processor time that the server used; NaN where it is not known. */
  cpuMs: number
  /** In order of size. */
  latenciesMs: Float64Array
}

const endOfHead = '\r\n\r\n'
const statusLine = /^HTTP\/1\.1 (\d{3})/
const contentLength = /\r\ncontent-length: (\d+)/i

/**
 * Sends requests over connections that are kept, one at a time on each, and takes the time from the first byte sent to the last
 * one received. Written over plain sockets because a client's own work competes with the server for the processors.
 */
export async function measure(load: Load): Promise<Measured> {
  const latencies: number[] = []
  const sockets = await Promise.all(Array.from({ length: load.connections }, () => open(load.server.port)))
  const cpuBeforeMs = load.server.cpuMs()
  const startedAt = performance.now()
  try {
    await Promise.all(sockets.map(socket => drive(socket, load, latencies)))
  } finally {
    for (const socket of sockets) socket.destroy()
  }
  const durationMs = performance.now() - startedAt
  const cpuMs = (load.server.cpuMs() ?? Number.NaN) - (cpuBeforeMs ?? Number.NaN)
  return { requests: latencies.length, durationMs, cpuMs, latenciesMs: Float64Array.from(latencies).toSorted() }
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.removeListener('error', reject)
      socket.setEncoding('latin1')
      resolve(socket)
    })
  })
}

/** Signed links change at midnight; the beginning holds what tells one answer from another. */
function isRight(status: number, body: string, { answer }: Request): boolean {
  return status === 200 && body.length === answer.length && body.slice(0, 64) === answer.slice(0, 64)
}

/** One connection's requests, until there are no more. */
function drive(socket: Socket, load: Load, latencies: number[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = ''
    let sentAt = 0
    let request: Request | null = null
    const send = (): void => {
      request = load.next()
      if (request === null) return resolve()
      sentAt = performance.now()
      socket.write(request.head, 'latin1')
      if (request.body !== undefined) socket.write(request.body)
    }
    socket.on('data', (text: string) => {
      received = received === '' ? text : received + text
      const headLength = received.indexOf(endOfHead)
      if (headLength < 0) return
      const bodyAt = headLength + endOfHead.length
      const bodyLength = Number(contentLength.exec(received)?.[1] ?? 0)
      if (received.length < bodyAt + bodyLength) return
      latencies.push(performance.now() - sentAt)
      const answer = { status: Number(statusLine.exec(received)?.[1]), body: received.slice(bodyAt, bodyAt + bodyLength) }
      if (request === null || !isRight(answer.status, answer.body, request))
        return reject(new Error(`${request?.head.split('\r\n', 1)[0]} was answered with ${answer.status}: ${answer.body}`))
      received = ''
      send()
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`the server closed a connection${received === '' ? '' : ` after: ${received}`}`)))
    send()
  })
}

/** The head of a POST of JSON, or of whatever `contentLengthBytes` counts. */
export function postHead(path: string, contentLengthBytes: number): string {
  return `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\ncontent-type: application/json\r\ncontent-length: ${contentLengthBytes}\r\n\r\n`
}

export function getHead(path: string, key: string): string {
  return `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\naccept: application/json\r\nauthorization: Bearer ${key}\r\n\r\n`
}
