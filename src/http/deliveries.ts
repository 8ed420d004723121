import type { FastifyInstance } from 'fastify'
import { invalid, ServiceError } from '../domain/errors.ts'
import type { Clock } from '../domain/ports.ts'
import type { DeliveryRecord } from '../domain/records.ts'
import type { JobStore } from '../domain/store.ts'
import { timestamp } from '../domain/view.ts'
import { callerOf } from './access.ts'
import { ignoreBodies } from './bodies.ts'
import { findJob } from './find-job.ts'
import { listDeliveries, redeliver } from './schema/operations/deliveries.ts'

export type DeliveryRoutesDeps = { store: JobStore; clock: Clock }

/** A delivery as clients see it. */
export function deliveryView(delivery: DeliveryRecord) {
  return {
    id: delivery.id,
    type: delivery.type,
    url: delivery.url,
    status: delivery.status,
    attempts: delivery.attempts.map(({ at, status, durationMs, answer }) => ({
      at: timestamp(at),
      status,
      ms: durationMs,
      answer,
    })),
  }
}

/** What we sent for a job, and sending it again. */
export function deliveryRoutes({ store, clock }: DeliveryRoutesDeps) {
  const list = async (jobId: string) => ({ data: (await store.deliveries(jobId)).map(deliveryView) })
  type ById = { Params: { taskId: string } }

  return async (app: FastifyInstance): Promise<void> => {
    app.get<ById>('/jobs/:taskId/deliveries', { config: { access: 'read' }, schema: listDeliveries }, async request => {
      const job = await findJob(store, callerOf(request), request.params.taskId)
      return list(job.id)
    })
    await app.register(async scope => {
      ignoreBodies(scope)
      scope.post<ById & { Querystring: { id?: string | string[] } }>(
        '/jobs/:taskId/redeliver',
        { config: { access: 'submit' }, schema: redeliver },
        async (request, reply) => {
          const job = await findJob(store, callerOf(request), request.params.taskId)
          const { id } = request.query
          if (Array.isArray(id)) throw invalid('id', 'name one delivery, or none for all of the job')
          const deliveries = await store.deliveries(job.id)
          if (id !== undefined && !deliveries.some(delivery => delivery.id === id))
            throw new ServiceError('not_found', 'this job has no such delivery', { param: 'id' })
          const again = await store.redeliver({ jobId: job.id, id: id ?? null, now: clock.now() })
          if (again === 0)
            throw new ServiceError(
              'conflict',
              deliveries.length === 0
                ? 'there is nothing to send again: the job has no delivery, for want of a webhook_url or of an event that it tells of'
                : 'there is nothing to send again: what there is of this job is being sent just now',
            )
          return reply.code(202).send(await list(job.id))
        },
      )
    })
  }
}
