import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Clock, Log, Meter } from '../domain/ports.ts'
import type { Signer } from '../domain/signer.ts'
import type { Ingest } from '../steps/ingest.ts'
import { type AccessOptions, addAccess } from './access.ts'
import { streamBodies } from './bodies.ts'
import { callbackRoutes } from './callbacks.ts'
import { followConnections } from './connections.ts'
import { dashboardRoutes } from './dashboard.ts'
import { deliveryRoutes } from './deliveries.ts'
import { docsRoutes } from './docs.ts'
import { lastWhereItMust, readOnAfterAnswers } from './early-answers.ts'
import { makeErrorHandler } from './errors.ts'
import { type EventRoutesDeps, eventRoutes } from './events.ts'
import { type HealthDeps, healthRoutes } from './health.ts'
import { type JobRoutesDeps, jobRoutes } from './jobs.ts'
import { type MetricsDeps, measureRequests, metricsRoutes } from './metrics.ts'
import { type OpenAiRoutesDeps, openAiRoutes } from './openai.ts'
import { lookupRoutes } from './openai-lookups.ts'
import { addOpenApi, type OpenApiDeps, openApiRoutes } from './openapi.ts'
import { isSignedPicture, type PictureRoutesDeps, pictureRoutes } from './pictures.ts'
import { cutSlowBodies } from './slow-bodies.ts'

export type AppDeps = JobRoutesDeps &
  PictureRoutesDeps &
  EventRoutesDeps &
  OpenAiRoutesDeps &
  MetricsDeps &
  OpenApiDeps &
  HealthDeps & {
    access: Omit<AccessOptions, 'isSigned' | 'baseUrl'>
    ingest: Ingest
    meter: Meter
    signer: Signer
    clock: Clock
    log: Log
    trustProxy: readonly string[]
    maxCallbackBytes: number
    /** Logs each request that is answered, at debug. */
    onAnswered?: (fields: object) => void
  }

/** Of this process, so that the ids of two never meet; within it a count is enough, and cheaper than chance for each. */
const requestIdPrefix = `req_${randomUUID()}-`
let requestsSeen = 0

/** A client's own id is taken where it is one that can stand in a log line. */
function requestId(given: unknown): string {
  if (typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given)) return given
  requestsSeen += 1
  return `${requestIdPrefix}${requestsSeen.toString(36)}`
}

/** What every answer carries. */
function addHeaders(request: FastifyRequest, reply: FastifyReply): void {
  void reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff')
}

/** The service as an HTTP application, not listening yet. */
export async function makeApp(deps: AppDeps): Promise<FastifyInstance> {
  const onError = makeErrorHandler(deps.log)
  const idOf = (raw: IncomingMessage): string => requestId(raw.headers['x-request-id'])
  const app: FastifyInstance = Fastify({
    logger: false,
    trustProxy: deps.trustProxy.length === 0 ? false : [...deps.trustProxy],
    bodyLimit: Math.max(deps.limits.maxRequestBytes, 1),
    genReqId: raw => {
      const id = idOf(raw)
      raw.headers['x-request-id'] = id
      return id
    },
    routerOptions: { maxParamLength: 1_000 },
    // Paths that can't be read meet none of the hooks.
    frameworkErrors: (error, request, reply) => {
      addHeaders(request, reply)
      const answer = (told: unknown): void => void onError(told, request, reply)
      countUnknown(request).then(() => answer(error), answer)
    },
    clientErrorHandler: (error, socket) => {
      const status = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400
      if (error.code === 'ECONNRESET') socket.destroy()
      else connections.refuse(socket, status, requestId(null))
    },
    // Bodies have no time limit but a least rate (slow-bodies.ts); headers have to come at once. Host is compared with Origin, no more.
    requestTimeout: 0,
    http: {
      headersTimeout: 15_000,
      connectionsCheckingInterval: 2_000,
      requireHostHeader: false,
      ServerResponse: lastWhereItMust(deps.isClosing),
    },
    forceCloseConnections: 'idle',
    // A callback that arrives while we close is still taken: the provider may not send it again.
    return503OnClosing: false,
  })
  const connections = followConnections(app.server, deps.clock)
  readOnAfterAnswers(app, deps.clock, connections)
  app.setErrorHandler(onError)
  app.addHook('onRequest', (request, reply, done) => {
    addHeaders(request, reply)
    done()
  })
  const { onAnswered } = deps
  if (onAnswered !== undefined)
    app.addHook('onResponse', async (request, reply) => {
      // The route, not the URL: a callback's holds its token, and a picture's its signature.
      onAnswered({
        request_id: request.id,
        method: request.method,
        route: request.routeOptions.url,
        status: reply.statusCode,
        ms: reply.elapsedTime,
      })
    })
  // Where nobody can read it, nothing is spent on it.
  if (deps.access.keyring.hasAdmin) measureRequests(app, deps.meter)
  cutSlowBodies(app, deps.clock, connections, idOf)
  streamBodies(app)
  const isSigned = (request: FastifyRequest): boolean => isSignedPicture(request, deps.signer, deps.clock.now())
  const { countUnknown } = await addAccess(app, { ...deps.access, baseUrl: deps.baseUrl, isSigned })
  await addOpenApi(app, deps)
  await app.register(healthRoutes(deps))
  await app.register(metricsRoutes(deps))
  await app.register(dashboardRoutes)
  await app.register(jobRoutes(deps))
  await app.register(pictureRoutes(deps))
  await app.register(eventRoutes(deps))
  await app.register(deliveryRoutes(deps))
  await app.register(openAiRoutes(deps))
  await app.register(lookupRoutes(deps))
  await app.register(callbackRoutes(deps))
  await app.register(openApiRoutes(deps))
  await app.register(docsRoutes)
  return app
}
