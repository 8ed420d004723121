import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { invalid, ServiceError } from '../domain/errors.ts'
import type { JobStore } from '../domain/store.ts'
import type { Feed, Reader, Topic } from '../steps/feed.ts'
import { callerOf } from './access.ts'
import { findJob } from './jobs.ts'

export type EventRoutesDeps = { store: JobStore; feed: Feed; isClosing: () => boolean }

/** A reader that has so much unread is dropped: it comes back with Last-Event-ID, and has missed nothing. */
const maxUnreadBytes = 2 ** 20

function lastEventId(request: FastifyRequest): number | null {
  const given = request.headers['last-event-id']
  if (given === undefined || given === '') return null
  if (typeof given !== 'string' || !/^\d{1,15}$/.test(given))
    throw invalid('Last-Event-ID', 'Last-Event-ID must be the id of an event')
  return Number(given)
}

/** Begins the stream; from here on the connection is ours and not fastify's. */
function openStream(request: FastifyRequest, reply: FastifyReply): Reader {
  reply.hijack()
  const { raw } = reply
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    // For nginx: pass each event on at once.
    'x-accel-buffering': 'no',
    'x-request-id': request.id,
  })
  raw.flushHeaders()
  return {
    send(text) {
      if (raw.destroyed || raw.writableLength > maxUnreadBytes) {
        raw.destroy()
        return false
      }
      raw.write(text)
      return true
    },
    end: () => raw.end(),
  }
}

export function eventRoutes(deps: EventRoutesDeps) {
  async function stream(topic: Topic, after: number | null, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (deps.isClosing()) throw new ServiceError('unavailable', 'the service is stopping', { retryAfterS: 5 })
    const reader = openStream(request, reply)
    const stop = await deps.feed.follow(topic, after, reader)
    if (reply.raw.destroyed) stop()
    else reply.raw.once('close', stop)
  }

  return async (app: FastifyInstance): Promise<void> => {
    app.get<{ Params: { taskId: string } }>('/jobs/:taskId/events', { config: { access: 'read' } }, async (request, reply) => {
      const after = lastEventId(request) ?? 0
      const job = await findJob(deps.store, callerOf(request), request.params.taskId)
      await stream({ jobId: job.id }, after, request, reply)
    })
    app.get('/events', { config: { access: 'read' } }, async (request, reply) => {
      const caller = callerOf(request)
      await stream({ owner: caller.sees === 'all' ? null : caller.owner }, lastEventId(request), request, reply)
    })
  }
}
