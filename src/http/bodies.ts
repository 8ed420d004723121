import type { FastifyInstance } from 'fastify'

/** Leaves the body to the route, as the stream it is. */
const passThrough = (_request: unknown, payload: unknown, done: (error: null, body: unknown) => void): void => done(null, payload)

/** JSON and forms are read by the routes themselves, as streams; everything else is refused with 415. */
export function streamBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(['application/json', 'multipart/form-data'], passThrough)
}

/**
 * Takes any body with any Content-Type, or none. The header is replaced before anything looks at it: one that is no media type
 * at all would be refused.
 */
export function takeAnyBody(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', passThrough)
  scope.addHook('onRequest', async request => {
    request.raw.headers['content-type'] = 'application/octet-stream'
  })
}

/** Answers whatever the body holds. */
export function ignoreBodies(scope: FastifyInstance): void {
  takeAnyBody(scope)
  scope.addHook('preHandler', async request => {
    request.raw.resume()
  })
}
