import { createHash, timingSafeEqual } from 'node:crypto'
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ServiceError } from '../domain/errors.ts'
import type { JobRecord } from '../domain/records.ts'

/** Who asks. `all`: every job is theirs to see. */
export type Caller = { owner: string; sees: 'own' | 'all' }

/**
 * Who may call a route, and how its calls are counted. `picture`: a signed URL, or else a key; `callback` routes check a token
 * of their own.
 */
export type Access = 'submit' | 'read' | 'picture' | 'callback' | 'open'

export type AccessOptions = {
  apiKeys: readonly { name: string; secret: string }[]
  adminKey: string | null
  rateLimitMax: number
  rateLimitWindowS: number
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

/** What the administrator's own jobs belong to: no API key can have this name. */
const adminOwner = '@admin'
const readsPerSubmit = 10
/** The plugin forgets the least recently seen beyond this many. */
const bucketsKept = 50_000

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Tells whose key a request carries, in a time that tells nothing of any key. */
function keyReader(options: AccessOptions): (request: FastifyRequest) => Caller | null {
  const known = options.apiKeys.map(({ name, secret }) => ({
    hash: digest(secret),
    caller: { owner: name, sees: 'own' } satisfies Caller,
  }))
  const admin =
    options.adminKey === null
      ? []
      : [{ hash: digest(options.adminKey), caller: { owner: adminOwner, sees: 'all' } satisfies Caller }]
  const keys = [...known, ...admin]
  const everybody: Caller = { owner: '', sees: 'all' }
  return request => {
    if (known.length === 0) return everybody
    const [, key] = /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? '') ?? []
    if (key === undefined) return null
    const given = digest(key)
    // All are compared, whichever is right.
    const matching = keys.filter(({ hash }) => timingSafeEqual(hash, given))
    return matching[0]?.caller ?? null
  }
}

export type AccessCounts = {
  /** Counts a request that no route takes. @throws ServiceError `rate_limited`. */
  countUnknown: (request: FastifyRequest) => Promise<void>
}

/** Who may do what, and how often. Added before any route. */
export async function addAccess(app: FastifyInstance, options: AccessOptions): Promise<AccessCounts> {
  const readKey = keyReader(options)
  const open = options.apiKeys.length === 0
  await app.register(rateLimit, {
    global: false,
    timeWindow: options.rateLimitWindowS * 1_000,
    max: options.rateLimitMax,
  })
  // Per address where nothing else is said. Each has a store of its own, and takes its size from here alone.
  const byAddress = { cache: bucketsKept }
  const byCaller = open ? byAddress : { ...byAddress, keyGenerator: (request: FastifyRequest) => callerOf(request).owner }
  const limits = {
    submit: app.createRateLimit({ ...byCaller, max: options.rateLimitMax }),
    read: app.createRateLimit({ ...byCaller, max: options.rateLimitMax * readsPerSubmit }),
    refused: app.createRateLimit({ ...byAddress, max: options.rateLimitMax }),
  }

  async function count(kind: keyof typeof limits, request: FastifyRequest): Promise<void> {
    const state = await limits[kind](request)
    if (!state.isAllowed && state.isExceeded)
      throw new ServiceError('rate_limited', `too many requests: ask again in ${state.ttlInSeconds} s`, {
        retryAfterS: state.ttlInSeconds,
      })
  }
  async function requireKey(request: FastifyRequest): Promise<void> {
    const caller = readKey(request)
    if (caller !== null) {
      request.caller = caller
      return
    }
    await count('refused', request)
    throw new ServiceError('unauthorized', 'send a valid API key as Authorization: Bearer …')
  }

  app.decorateRequest('caller', null)
  app.addHook('onRequest', async request => {
    const access = request.routeOptions.config.access
    // A path that is not there, and a route that does not say who may call it, are open to nobody.
    // Before anything looks at the body: of what type it is makes no difference here.
    if (access === undefined || request.is404) {
      await count('refused', request)
      throw new ServiceError('not_found', 'there is no such route')
    }
    if (access === 'open' || access === 'callback') return
    if (access === 'picture') {
      if (!options.isSigned(request)) await requireKey(request)
      return
    }
    await requireKey(request)
    await count(access, request)
  })
  return { countUnknown: request => count('refused', request) }
}

/** Who asks, on a route that needs a key. */
export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === null) throw new ServiceError('unauthorized', 'send a valid API key as Authorization: Bearer …')
  return request.caller
}

/** Whether a job is the caller's to see. */
export function maySee(caller: Caller, job: JobRecord): boolean {
  return caller.sees === 'all' || job.owner === caller.owner
}
