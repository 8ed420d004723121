import type { FastifyInstance } from 'fastify'
import { ServiceError } from '../domain/errors.ts'
import type { Meter } from '../domain/ports.ts'
import type { Signer } from '../domain/signer.ts'
import type { Ingest } from '../steps/ingest.ts'
import { bodyOf, passingBodyOf, smallBodyOf, takeAnyBody } from './bodies.ts'
import { decoded } from './encodings.ts'
import { takeCallback } from './schema/operations/callbacks.ts'

export type CallbackRoutesDeps = { ingest: Ingest; signer: Signer; meter: Meter; maxCallbackBytes: number }

/** The route that the provider POSTs results to. Nothing here may lose one: it takes whatever comes with a good token. */
export function callbackRoutes(deps: CallbackRoutesDeps) {
  return async (app: FastifyInstance): Promise<void> => {
    takeAnyBody(app)
    app.post<{ Params: { token: string } }>(
      '/callbacks/:token',
      { config: { access: 'callback' }, bodyLimit: Number.MAX_SAFE_INTEGER, schema: takeCallback },
      async request => {
        // Before the body: a token that is not ours costs one hash, and nothing of what follows is parsed or stored.
        const taskId = deps.signer.taskOfToken(request.params.token)
        if (taskId === null) {
          deps.meter.callbackAnswered('unknown_token', 0, 0)
          throw new ServiceError('not_found', 'there is no task of this token', { param: 'token' })
        }
        const declared = request.headers['content-length']
        const encoding = request.headers['content-encoding']
        const body =
          encoding === undefined
            ? (smallBodyOf(request) ?? passingBodyOf(request))
            : decoded(bodyOf(request), encoding, deps.maxCallbackBytes)
        const outcome = await deps.ingest.callback(taskId, body, declared === undefined ? null : Number(declared))
        if (outcome === 'unknown') throw new ServiceError('not_found', 'the job was deleted', { param: 'token' })
        return { received: true, outcome }
      },
    )
  }
}
