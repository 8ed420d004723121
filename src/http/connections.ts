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

/** Fires when the client has gone, so that nothing waits for it. */
export function clientGone(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  whenClosed(reply, () => controller.abort())
  return controller.signal
}

/** So long after an answer left us its client may still be reading it from the network's buffers. */
const arrivalMs = 5_000

/**
 * Whether an answer that has left us came to its client: false where the connection is reset before anything else is heard on
 * it, as it is by a client that gives up with part of the answer unread.
 */
export function whenArrived(response: ServerResponse, clock: Clock): Promise<boolean> {
  const { socket } = response.req
  const heardBytes = socket.bytesRead
  return new Promise(resolve => {
    const settle = (arrived: boolean): void => {
      cancel()
      socket.off('close', onClose)
      // A client that has asked for something else since has read this.
      resolve(arrived || socket.bytesRead > heardBytes)
    }
    const onClose = (hadError: boolean): void => settle(!hadError)
    const cancel = clock.after(arrivalMs, () => settle(true))
    if (socket.destroyed) return settle(socket.errored === null)
    socket.once('close', onClose)
  })
}
