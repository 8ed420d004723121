import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { Clock } from '../domain/ports.ts'
import { badRequestText } from './errors.ts'

const windowMs = 10_000
const leastBytesPerWindow = 10 * 1_024
const lookEveryMs = 1_000
/** How long an unread body may go on after the answer, so that a client that is still sending gets to read it. */
const lingerMs = 2_000

type Watched = { sinceAt: number; bytes: number }

function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
}

/**
 * Cuts off bodies that come slower than 1 kB/s for 10 s, on every route. A fixed time would not do: 30 MB on a slow line need
 * minutes, and a trickle holds a connection for ever.
 */
export function cutSlowBodies(app: FastifyInstance, clock: Clock): void {
  const watched = new Map<IncomingMessage, Watched>()
  let cancel = (): void => {}

  const look = (): void => {
    const now = clock.now()
    for (const [request, seen] of watched) {
      const { bytesRead } = request.socket
      // A body that waits for us, for the disk say, is not slow: its buffer is full.
      const ours = request.readableLength >= request.readableHighWaterMark
      if (ours || bytesRead - seen.bytes >= leastBytesPerWindow) watched.set(request, { sinceAt: now, bytes: bytesRead })
      else if (now - seen.sinceAt >= windowMs) cutOff(request)
    }
    cancel = clock.after(lookEveryMs, look)
  }
  const cutOff = (request: IncomingMessage): void => {
    watched.delete(request)
    const { socket } = request
    // Written below fastify: the route is still reading, and sees the connection close.
    if (!socket.destroyed && socket.writable) socket.end(badRequestText('none', 408), () => socket.destroy())
    clock.after(lookEveryMs, () => socket.destroy())
  }

  app.addHook('onRequest', async (request, reply) => {
    const { raw } = request
    if (raw.complete || !hasBody(raw)) return
    watched.set(raw, { sinceAt: clock.now(), bytes: raw.socket.bytesRead })
    const forget = (): void => void watched.delete(raw)
    raw.once('end', forget)
    raw.once('close', forget)
    reply.raw.once('finish', () => endUnread(raw, reply.raw))
  })
  const endUnread = (request: IncomingMessage, response: ServerResponse): void => {
    if (request.complete) return
    const { socket } = request
    const stop = clock.after(lingerMs, () => {
      if (!request.complete && !response.socket?.destroyed) socket.destroy()
    })
    socket.once('close', stop)
  }
  app.addHook('onReady', async () => look())
  app.addHook('onClose', async () => cancel())
}
