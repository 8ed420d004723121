import type { FastifyInstance } from 'fastify'
import { ServiceError } from '../domain/errors.ts'
import type { TaskRef } from '../domain/records.ts'
import type { Signer } from '../domain/signer.ts'
import type { Ingest } from '../steps/ingest.ts'
import { bodyOf, smallBodyOf, takeAnyBody } from './bodies.ts'
import { decoded } from './encodings.ts'

declare module 'fastify' {
  interface FastifyRequest {
    task: TaskRef | null
  }
}

/** The route that the provider POSTs results to. Nothing here may lose one: it takes whatever comes with a good token. */
export function callbackRoutes(deps: { ingest: Ingest; signer: Signer; maxCallbackBytes: number }) {
  return async (app: FastifyInstance): Promise<void> => {
    takeAnyBody(app)
    app.decorateRequest('task', null)
    // Before the body: a token that is not ours costs one hash, and no byte of what follows is read.
    app.addHook<{ Params: { token: string } }>('onRequest', async request => {
      const taskId = deps.signer.taskOfToken(request.params.token)
      request.task = taskId === null ? null : await deps.ingest.find(taskId)
      if (request.task === null) throw new ServiceError('not_found', 'there is no task of this token', { param: 'token' })
      if (Number(request.headers['content-length'] ?? 0) > deps.maxCallbackBytes)
        throw new ServiceError('payload_too_large', 'the callback is larger than MAX_CALLBACK_BYTES')
    })
    app.post('/callbacks/:token', { config: { access: 'callback' }, bodyLimit: Number.MAX_SAFE_INTEGER }, async request => {
      const { task } = request
      if (task === null) throw new ServiceError('not_found', 'there is no task of this token', { param: 'token' })
      const encoding = request.headers['content-encoding']
      const small = encoding === undefined ? smallBodyOf(request) : null
      const outcome = await deps.ingest.callback(task, small ?? decoded(bodyOf(request), encoding))
      if (outcome === 'unknown') throw new ServiceError('not_found', 'the job was deleted', { param: 'token' })
      return { received: true, outcome }
    })
  }
}
