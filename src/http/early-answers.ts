import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { giveBack } from '../domain/chunks.ts'
import type { Clock } from '../domain/ports.ts'
import type { Connections } from './connections.ts'

/** How long the rest of a body is read that nobody wants, so that a client that sends all before it reads sees its answer. */
const readOnMs = 30_000

/** Connections on which an answer said that it is their last: what else is asked on them is not begun. */
const lastAnswerGiven = new WeakSet<Socket>()

/** Whether a body was announced. */
export function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
}

function isBodyToCome(request: IncomingMessage): boolean {
  return !request.complete && hasBody(request)
}

/** Node's own answer to whether a connection may be kept. */
const keepsAlive = Symbol('keepsAlive')

type Answer = ServerResponse & { [keepsAlive]?: boolean }

/**
 * A class of answers that never say keep-alive on a connection that will be closed: one that begins before its request's body has
 * come to its end is the last on its connection, and so is one that begins while the service closes.
 */
export function lastWhereItMust(isClosing: () => boolean): typeof ServerResponse {
  class LastWhereItMust<Request extends IncomingMessage = IncomingMessage> extends ServerResponse<Request> {}
  // On the prototype: Node sets this property in its constructor, and asks for it when it writes the headers.
  Object.defineProperty(LastWhereItMust.prototype, 'shouldKeepAlive', {
    get(this: Answer): boolean {
      const isWanted = this[keepsAlive] ?? true
      const { req: request } = this
      // Asked for by Node's own constructor too, before it knows its request.
      if (!isWanted || request === undefined || !(isBodyToCome(request) || isClosing())) return isWanted
      lastAnswerGiven.add(request.socket)
      return false
    },
    set(this: Answer, value: boolean) {
      this[keepsAlive] = value
    },
  })
  return LastWhereItMust
}

/**
 * Reads on after an answer that came before its request's body did, and closes the connection when that has come to its end, or
 * has taken too long. Node by itself closes at once, and what is unread then makes the system reset the connection: the client's
 * side throws away the answer that it has not read yet.
 */
export function readOnAfterAnswers(app: FastifyInstance, clock: Clock, connections: Connections): void {
  /** The last request of each connection that announced a body. */
  const withBody = new WeakMap<Socket, IncomingMessage>()
  const reading = new Set<Socket>()

  function readOn(socket: Socket, request: IncomingMessage): void {
    if (reading.has(socket)) return
    reading.add(socket)
    // Whoever read it has stopped: an iterator that was left, or a pipe that was taken apart, leaves it paused.
    request.unpipe()
    request.removeAllListeners('data').removeAllListeners('readable')
    request.on('error', () => {}).on('data', giveBack)
    request.resume()
    const end = (): void => {
      callOff()
      reading.delete(socket)
      request.off('end', end)
      socket.off('close', end)
      if (!socket.destroyed) connections.end(socket)
    }
    const callOff = clock.after(readOnMs, end)
    request.once('end', end)
    socket.once('close', end)
    if (request.complete) end()
  }

  app.server.prependListener('connection', (socket: Socket) => {
    const destroySoon = socket.destroySoon.bind(socket)
    // Node calls this when the last answer of a connection has been handed over.
    socket.destroySoon = () => {
      const request = withBody.get(socket)
      if (request === undefined || !isBodyToCome(request) || socket.destroyed) destroySoon()
      else readOn(socket, request)
    }
  })
  app.server.prependListener('request', (request: IncomingMessage) => {
    if (hasBody(request)) withBody.set(request.socket, request)
  })
  // A second request behind one that was answered early: its answer could not be sent any more, so nothing of it is begun.
  app.addHook('onRequest', (request, reply, done) => {
    if (lastAnswerGiven.has(request.raw.socket)) void reply.hijack()
    else done()
  })
  // A body that came together with its head has come to its end one turn later, and its connection can be kept.
  app.addHook('onSend', (request, _reply, payload, done) => {
    if (isBodyToCome(request.raw)) setImmediate(done, null, payload)
    else done(null, payload)
  })
  app.addHook('preClose', done => {
    for (const socket of reading) connections.end(socket)
    done()
  })
}
