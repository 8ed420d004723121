import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Meter } from '../domain/ports.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { metrics as metricsSchema } from './schema/operations/service.ts'

export type MetricsDeps = { metrics: Pick<Metrics, 'text' | 'contentType'> }

/** What a Prometheus server asks for. */
export function metricsRoutes({ metrics }: MetricsDeps) {
  return async (app: FastifyInstance): Promise<void> => {
    app.get('/metrics', { config: { access: 'admin' }, schema: metricsSchema }, async (_request, reply) =>
      reply
        .type(metrics.contentType)
        .header('cache-control', 'no-store')
        .send(await metrics.text()),
    )
  }
}

/**
 * Measures each request, but callbacks: they have figures of their own, and are what has to be fast. Added before any route.
 * A path that no route takes counts as `unknown`, whatever it is: no client makes up a label.
 */
export function measureRequests(app: FastifyInstance, meter: Meter): void {
  app.addHook('onRoute', route => {
    if (route.config?.access === 'callback') return
    const answered = (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
      meter.requestAnswered(request.method, route.url, reply.statusCode, reply.elapsedTime)
      done()
    }
    route.onResponse = [route.onResponse ?? [], answered].flat()
  })
  app.addHook('onRequest', (request, reply, done) => {
    if (request.is404) {
      const startedAt = performance.now()
      reply.raw.once('finish', () => meter.requestAnswered('any', 'unknown', reply.statusCode, performance.now() - startedAt))
    }
    done()
  })
}
