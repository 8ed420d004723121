import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ServiceError } from '../domain/errors.ts'
import type { JobRecord } from '../domain/records.ts'
import type { Caller, Keyring } from './keyring.ts'
import { RateWindows } from './rate-windows.ts'
import { isFromAnotherSite } from './sites.ts'

/**
 * Who may call a route, and how its calls are counted. `picture`: a signed URL, or else a key; `callback` routes check a token
 * of their own; `admin` routes take the administrator's key alone, and are not there where none is set.
 */
export type Access = 'submit' | 'read' | 'picture' | 'callback' | 'admin' | 'open'

export type AccessOptions = {
  keyring: Keyring
  rateLimitMax: number
  rateLimitWindowS: number
  /** What our URLs begin with. */
  baseUrl: () => string
  /** Whether a request's own URL opens it. */
  isSigned(request: FastifyRequest): boolean
}

declare module 'fastify' {
  interface FastifyRequest {
    /** null where a route is open, or was opened by a signed URL. */
    caller: Caller | null
  }
  interface FastifyContextConfig {
    access?: Access
  }
}

const readsPerSubmit = 10
/** They change nothing. */
const readingMethods: readonly string[] = ['GET', 'HEAD', 'OPTIONS']
/** A client that is told to wait for longer takes it for no answer at all: OpenAI's SDKs do so. */
const longestRetryAfterS = 60

export type AccessCounts = {
  /** Counts a request that no route takes. @throws ServiceError `rate_limited`. */
  countUnknown: (request: FastifyRequest) => Promise<void>
}

/** Clients of OpenAI's interface, and of the provider's, look for more than there is. */
const offered =
  'there is no such route: this service edits pictures, by POST /v1/images/edits, /openai/images/edits or /jobs, and tells of them by POST /openai/tasks and GET /v1/models; /docs has every route'

function noSuchRoute({ url, is404 }: FastifyRequest): string {
  return is404 && /^\/(v1|openai)(\/|$)/.test(url) ? offered : 'there is no such route'
}

/** Who may do what, and how often. Added before any route. */
export async function addAccess(app: FastifyInstance, options: AccessOptions): Promise<AccessCounts> {
  const { keyring } = options
  await app.register(rateLimit, {
    global: false,
    timeWindow: options.rateLimitWindowS * 1_000,
    max: options.rateLimitMax,
    store: RateWindows,
  })
  // Per address where nothing else is said. Each has a store of its own.
  const byAddress = {}
  const byCaller = keyring.isOpen ? byAddress : { keyGenerator: (request: FastifyRequest) => callerOf(request).owner }
  const limits = {
    submit: app.createRateLimit({ ...byCaller, max: options.rateLimitMax }),
    read: app.createRateLimit({ ...byCaller, max: options.rateLimitMax * readsPerSubmit }),
    refused: app.createRateLimit({ ...byAddress, max: options.rateLimitMax }),
  }

  async function count(kind: keyof typeof limits, request: FastifyRequest): Promise<void> {
    const state = await limits[kind](request)
    if (!state.isAllowed && state.isExceeded)
      throw new ServiceError('rate_limited', `too many requests: ask again in ${state.ttlInSeconds} s`, {
        retryAfterS: Math.min(longestRetryAfterS, state.ttlInSeconds),
      })
  }
  async function requireKey(request: FastifyRequest, read = keyring.callerOf): Promise<void> {
    const caller = read(request.headers.authorization)
    if (caller !== null) {
      request.caller = caller
      return
    }
    await count('refused', request)
    throw new ServiceError('unauthorized', 'send a valid API key as Authorization: Bearer …')
  }

  /** Without keys whoever reaches us may do all; but not whatever page is open in a browser that reaches us. */
  async function refuseOtherSites(request: FastifyRequest): Promise<void> {
    if (!isFromAnotherSite(request, new URL(options.baseUrl()).origin)) return
    await count('refused', request)
    throw new ServiceError(
      'unauthorized',
      'pages of other sites need an API key, and none is configured: set API_KEYS, or PUBLIC_URL to the address of this page',
    )
  }

  app.decorateRequest('caller', null)
  async function check(request: FastifyRequest): Promise<void> {
    const { access } = request.routeOptions.config
    // A path that is not there, and a route that does not say who may call it, are open to nobody.
    // Before anything looks at the body: of what type it is makes no difference here.
    if (access === undefined || request.is404 || (access === 'admin' && !keyring.hasAdmin)) {
      await count('refused', request)
      throw new ServiceError('not_found', noSuchRoute(request))
    }
    if (access === 'picture' && options.isSigned(request)) return
    if (keyring.isOpen && !readingMethods.includes(request.method)) await refuseOtherSites(request)
    await requireKey(request, access === 'admin' ? keyring.adminOf : keyring.callerOf)
    if (access === 'submit' || access === 'read') await count(access, request)
  }
  app.addHook('onRequest', (request, _reply, done) => {
    const { access } = request.routeOptions.config
    // Nothing to wait for: so it is for each callback.
    if ((access === 'open' || access === 'callback') && !request.is404) done()
    // oxlint-disable-next-line promise/no-callback-in-promise -- Fastify's hooks take a promise or a callback; this one needs both ways.
    else check(request).then(() => done(), done)
  })
  return { countUnknown: request => count('refused', request) }
}

/** Who asks, on a route that needs a key. */
export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === null) throw new ServiceError('unauthorized', 'send a valid API key as Authorization: Bearer …')
  return request.caller
}

/** Whether a job is the caller's to see. */
export function maySee(caller: Caller, job: Pick<JobRecord, 'owner'>): boolean {
  return caller.sees === 'all' || job.owner === caller.owner
}
