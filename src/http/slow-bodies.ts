import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { Clock } from '../domain/ports.ts'
import { lookEveryMs, type Progress, progressOf } from '../net/rate.ts'
import type { Connections } from './connections.ts'
import { hasBody } from './early-answers.ts'

/**
 * Cuts off bodies that come slower than 1 kB/s for 10 s, on every route. A fixed time would not do: 30 MB on a slow line need
 * minutes, and a trickle holds a connection for ever.
 * @param idOf the request's id, for the answer.
 */
export function cutSlowBodies(
  app: FastifyInstance,
  clock: Clock,
  connections: Connections,
  idOf: (request: IncomingMessage) => string,
): void {
  const watched = new Map<IncomingMessage, Progress>()
  let cancel = (): void => {}

  const look = (): void => {
    const now = clock.now()
    for (const [request, since] of watched) {
      // A body that waits for us, for the disk say, is not slow: its buffer is full.
      const isOurs = request.readableLength >= request.readableHighWaterMark
      const progress = progressOf(since, now, request.socket.bytesRead, isOurs)
      if (progress !== null) {
        watched.set(request, progress)
        continue
      }
      watched.delete(request)
      // Below fastify: the route is still reading, and sees the connection close.
      connections.refuse(request.socket, 408, idOf(request))
    }
    cancel = clock.after(lookEveryMs, look)
  }

  // Of the server itself: fastify runs no hook for a path that it can't read.
  app.server.prependListener('request', (request, response) => {
    if (!hasBody(request)) return
    watched.set(request, { at: clock.now(), bytes: request.socket.bytesRead })
    const forget = (): void => void watched.delete(request)
    request.once('end', forget)
    request.once('close', forget)
    // The rest of a body whose answer came early is still read, and keeps to the same rate.
    response.once('finish', () => {
      if (request.complete) forget()
    })
  })
  app.addHook('onReady', async () => look())
  app.addHook('onClose', async () => cancel())
}
