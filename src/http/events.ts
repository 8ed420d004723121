import type { ServerResponse } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { invalid, ServiceError } from '../domain/errors.ts'
import type { Log } from '../domain/ports.ts'
import type { JobStore } from '../domain/store.ts'
import type { Feed, Reader, Topic } from '../steps/feed.ts'
import { callerOf } from './access.ts'
import { whenClosed } from './connections.ts'
import { findJob } from './find-job.ts'
import { allEvents, jobEvents } from './schema/operations/events.ts'

export type EventRoutesDeps = { store: JobStore; feed: Feed; log: Log; isClosing: () => boolean }

/** A reader that has so much unread is dropped: it comes back with Last-Event-ID, and has missed nothing. */
const maxUnreadBytes = 2 ** 20

function lastEventId(request: FastifyRequest): number | null {
  const given = request.headers['last-event-id']
  if (given === undefined || given === '') return null
  if (typeof given !== 'string' || !/^\d{1,15}$/.test(given))
    throw invalid('Last-Event-ID', 'Last-Event-ID must be the id of an event')
  return Number(given)
}

const streamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  // For nginx: pass each event on at once.
  'x-accel-buffering': 'no',
} as const

/** Begins a stream of events at once; from here on the connection is ours and not fastify's. */
export function beginStream(reply: FastifyReply): ServerResponse {
  reply.hijack()
  const { raw } = reply
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value)
  raw.writeHead(200, streamHeaders)
  raw.flushHeaders()
  return raw
}

function openStream(reply: FastifyReply): Reader {
  const raw = beginStream(reply)
  return {
    send(text) {
      if (raw.destroyed || raw.writableLength > maxUnreadBytes) {
        raw.destroy()
        return false
      }
      raw.write(text)
      return true
    },
    async drained() {
      // At once as well: whoever reads fast keeps nobody else waiting.
      await setImmediate()
      if (!raw.writableNeedDrain || raw.destroyed) return
      await new Promise<void>(resolve => {
        const done = (): void => {
          raw.off('drain', done).off('close', done)
          resolve()
        }
        raw.on('drain', done).on('close', done)
      })
    },
    end: () => raw.end(),
  }
}

export function eventRoutes(deps: EventRoutesDeps) {
  async function stream(topic: Topic, after: number | null, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (deps.isClosing()) throw new ServiceError('unavailable', 'the service is stopping', { retryAfterS: 5 })
    const reader = openStream(reply)
    // Nothing follows the headers that HEAD asks for.
    if (request.method === 'HEAD') return reader.end()
    try {
      const stop = await deps.feed.follow(topic, after, reader)
      whenClosed(reply, stop)
    } catch (error) {
      reply.raw.destroy()
      deps.log.error({ err: error, request_id: request.id }, 'stream.broke')
    }
  }

  return async (app: FastifyInstance): Promise<void> => {
    const ofJob = { config: { access: 'read' }, schema: jobEvents } as const
    app.get<{ Params: { taskId: string } }>('/jobs/:taskId/events', ofJob, async (request, reply) => {
      const after = lastEventId(request) ?? 0
      const job = await findJob(deps.store, callerOf(request), request.params.taskId)
      await stream({ jobId: job.id }, after, request, reply)
    })
    app.get('/events', { config: { access: 'read' }, schema: allEvents }, async (request, reply) => {
      const caller = callerOf(request)
      await stream({ owner: caller.sees === 'all' ? null : caller.owner }, lastEventId(request), request, reply)
    })
  }
}
