import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply } from 'fastify'
import type { Clock } from '../domain/ports.ts'
import { badRequestText } from './errors.ts'

/** How long a connection that is over is still read, so that a client that is sending gets to see its answer. */
const lingerMs = 2_000

export type Connections = {
  /** Closes a connection that cannot go on, with an answer where one may still be given. */
  refuse(socket: Socket, status: 400 | 408 | 431, requestId: string): void
  /** Ends our side of a connection, and closes it soon after: what still comes would make a reset of a close. */
  end(socket: Socket): void
}

/** Knows what each connection is at, so that nothing is written into the midst of an answer. */
export function followConnections(server: Server, clock: Clock): Connections {
  // What a connection is at is written into one cell for all its life: an entry for each request would keep the collector busy.
  const exchanges = new WeakMap<Socket, Partial<{ request: IncomingMessage; response: ServerResponse }>>()
  server.prependListener('connection', socket => exchanges.set(socket, {}))
  server.prependListener('request', (request, response) => {
    const exchange = exchanges.get(request.socket)
    if (exchange !== undefined) Object.assign(exchange, { request, response })
  })

  function end(socket: Socket, text = ''): void {
    socket.end(text)
    const callOff = clock.after(lingerMs, () => {
      socket.off('close', callOff)
      socket.destroy()
    })
    socket.once('close', callOff)
  }
  return {
    end: socket => end(socket),
    refuse(socket, status, requestId) {
      // Told already: what still comes is read and forgotten.
      if (socket.writableEnded || socket.destroyed) return
      const { request, response } = exchanges.get(socket) ?? {}
      const isAnswering = response !== undefined && !response.writableFinished
      // The request came whole, and what is wrong follows it: it gets its own answer.
      if (isAnswering && request?.complete === true) response.once('close', () => socket.destroy())
      else if (isAnswering && response.headersSent) socket.destroy()
      // It has its answer; only the rest of its body was still to come.
      else if (response?.writableFinished === true && request?.complete === false) end(socket)
      else end(socket, badRequestText(requestId, status))
    },
  }
}

/** Calls back when the connection of an answer is over, be it already. */
export function whenClosed(reply: FastifyReply, run: () => void): void {
  if (reply.raw.destroyed || reply.raw.closed) run()
  else reply.raw.once('close', run)
}

/** After so long a silence the other side's system is asked whether it still knows the connection, ten times, once a second. */
const keepAliveMs = 15_000

/** Fires when the client has gone, without a word too, so that nothing waits for it. */
export function clientGone(reply: FastifyReply): AbortSignal {
  reply.raw.req.socket.setKeepAlive(true, keepAliveMs)
  const controller = new AbortController()
  whenClosed(reply, () => controller.abort())
  return controller.signal
}

/** So long after an answer left us, whole, its client may still be reading it. */
const takenWithinMs = 60_000

/**
 * Has how a connection ends tell whether its answer was taken. To be called before the answer: it says that the connection
 * closes after it, and is then kept half open to see how the client closes its side.
 */
export function closeAfterAnswer(reply: FastifyReply): void {
  const { socket } = reply.raw.req
  void reply.header('connection', 'close')
  // What Node calls after such an answer: it would close both sides at once, and nothing more would be heard of the client. To
  // write nothing tells whether the client had closed already: an answer to one that is gone is reset, which `end` passes over.
  socket.destroySoon = () => void socket.end(Buffer.alloc(0))
}

/**
 * Whether an answer that has left us whole was taken: the client closes its side, as it does after reading. One that closes
 * with part of it unread resets the connection instead, and one that does neither for a minute was not there any more.
 */
export function whenTaken({ req: { socket } }: ServerResponse, clock: Clock): Promise<boolean> {
  return new Promise(resolve => {
    const settle = (): void => {
      cancel()
      resolve(socket.readableEnded && socket.errored === null)
    }
    const cancel = clock.after(takenWithinMs, () => socket.destroy())
    if (socket.destroyed) return settle()
    socket.once('close', settle)
  })
}
