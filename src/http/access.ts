import { hash, timingSafeEqual } from 'node:crypto'
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ServiceError } from '../domain/errors.ts'
import type { JobRecord } from '../domain/records.ts'
import { isFromAnotherSite } from './sites.ts'

/** Who asks. `all`: every job is theirs to see. */
export type Caller = { owner: string; sees: 'own' | 'all' }

/**
 * Who may call a route, and how its calls are counted. `picture`: a signed URL, or else a key; `callback` routes check a token
 * of their own; `admin` routes take the administrator's key alone, and are not there where none is set.
 */
export type Access = 'submit' | 'read' | 'picture' | 'callback' | 'admin' | 'open'

export type AccessOptions = {
  apiKeys: readonly { name: string; secret: string }[]
  adminKey: string | null
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

/** What the administrator's own jobs belong to: no API key can have this name. */
const adminOwner = '@admin'
const readsPerSubmit = 10
/** They change nothing. */
const readingMethods: readonly string[] = ['GET', 'HEAD', 'OPTIONS']
/** The plugin forgets the least recently seen beyond this many. */
const bucketsKept = 50_000

const digest = (text: string): Buffer => hash('sha256', text, 'buffer')

type Key = { secret: string; caller: Caller }

/** Tells whose key a request carries, in a time that tells nothing of any key. */
function keyReader(keys: readonly Key[]): (request: FastifyRequest) => Caller | null {
  // As every client writes it. A map finds a text by a hash that is seeded anew in each process: how long that takes tells
  // nothing of a text that is not there.
  const usual = new Map(keys.map(({ secret, caller }) => [`Bearer ${secret}`, caller]))
  const hashed = keys.map(({ secret, caller }) => ({ hash: digest(secret), caller }))

  /** However else it may be written. */
  function readOdd(header: string): Caller | null {
    const [, key] = /^bearer +(\S+) *$/i.exec(header) ?? []
    if (key === undefined) return null
    const given = digest(key)
    // All are compared, whichever is right.
    const matching = hashed.filter(one => timingSafeEqual(one.hash, given))
    return matching[0]?.caller ?? null
  }
  return request => {
    const header = request.headers.authorization ?? ''
    return usual.get(header) ?? readOdd(header)
  }
}

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
  const open = options.apiKeys.length === 0
  const keys: Key[] = options.apiKeys.map(({ name, secret }) => ({ secret, caller: { owner: name, sees: 'own' } }))
  const admin: Key[] = options.adminKey === null ? [] : [{ secret: options.adminKey, caller: { owner: adminOwner, sees: 'all' } }]
  const everybody: Caller = { owner: '', sees: 'all' }
  const readKey = open ? () => everybody : keyReader([...keys, ...admin])
  // Whatever else is open to everybody, what asks for this key is not.
  const readAdminKey = keyReader(admin)
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
  async function requireKey(request: FastifyRequest, read = readKey): Promise<void> {
    const caller = read(request)
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
    if (access === undefined || request.is404 || (access === 'admin' && options.adminKey === null)) {
      await count('refused', request)
      throw new ServiceError('not_found', noSuchRoute(request))
    }
    if (access === 'picture' && options.isSigned(request)) return
    if (open && !readingMethods.includes(request.method)) await refuseOtherSites(request)
    await requireKey(request, access === 'admin' ? readAdminKey : readKey)
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
