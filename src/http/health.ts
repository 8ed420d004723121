import type { FastifyInstance } from 'fastify'
import type { JobStore } from '../domain/store.ts'
import { healthz, readyz } from './schema/operations/service.ts'

export type HealthDeps = {
  store: Pick<JobStore, 'probe'>
  /** Until when nothing is submitted because the provider refuses the account (ms since 1970); null: not paused. */
  pausedUntil: () => number | null
  isClosing: () => boolean
  /** Whose results these are: on the sandbox nothing is charged. */
  provider: string
  /** What only this process answers: by it, it knows itself. */
  instance: string
}

export function healthRoutes(deps: HealthDeps) {
  return async (app: FastifyInstance): Promise<void> => {
    const open = { config: { access: 'open' } } as const
    app.get('/healthz', { ...open, schema: healthz }, async () => ({ status: 'ok', instance: deps.instance }))
    app.get('/readyz', { ...open, schema: readyz }, async (_request, reply) => {
      const pausedUntil = deps.pausedUntil()
      // A pause is told, but the service stays ready: one that is taken out of its proxy would miss callbacks.
      const submitting =
        pausedUntil === null ? 'ok' : `paused until ${new Date(pausedUntil).toISOString()}: the provider refuses the account`
      const store = await deps.store.probe().then(
        () => 'ok',
        () => 'cannot be read',
      )
      const ready = store === 'ok' && !deps.isClosing()
      return reply
        .code(ready ? 200 : 503)
        .send({ status: ready ? 'ready' : 'not ready', store, submitting, provider: deps.provider })
    })
  }
}
