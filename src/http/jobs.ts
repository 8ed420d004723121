import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { invalid, ServiceError } from '../domain/errors.ts'
import { isJobId } from '../domain/ids.ts'
import { isFinal, type JobStatus, jobStatuses } from '../domain/job.ts'
import type { Blobs, Clock } from '../domain/ports.ts'
import type { CallbackRecord } from '../domain/records.ts'
import { checkRequest, type RequestLimits } from '../domain/request.ts'
import type { JobStore } from '../domain/store.ts'
import { jobError, jobView, type Links, timestamp } from '../domain/view.ts'
import type { Accept, Accepted } from '../steps/accept.ts'
import type { Pace } from '../steps/pace.ts'
import type { Watch } from '../steps/watch.ts'
import { callerOf, maySee } from './access.ts'
import { ignoreBodies } from './bodies.ts'
import { jobsPerPage } from './bounds.ts'
import { clientGone } from './connections.ts'
import { type FieldLimits, readFields } from './fields.ts'
import { findJob, noSuchJob } from './find-job.ts'
import type { Caller } from './keyring.ts'
import { isKnown } from './known-tag.ts'
import { orderOf } from './order.ts'
import { type Rendered, type Renderer } from './rendered.ts'
import * as schemas from './schema/operations/jobs.ts'

export type JobRoutesDeps = {
  store: JobStore
  blobs: Blobs
  accept: Accept
  watch: Watch
  clock: Clock
  links: Links
  renderer: Renderer
  pace: Pace
  limits: FieldLimits
  requestLimits: RequestLimits
  waitMaxS: number
  newId: (prefix: string) => string
}

/** Seconds to wait, from `?wait=` or `Prefer: wait=`; null where neither is there. */
function waitOf(request: FastifyRequest<{ Querystring: Query }>, mostS: number): number | null {
  const { wait } = request.query
  const preferred = /(?:^|[,;]\s*)wait\s*=\s*"?([^",;\s]*)/i.exec(String(request.headers.prefer ?? ''))?.[1]
  const given = wait ?? preferred
  if (given === undefined) return null
  if (typeof given !== 'string' || !/^\d+$/.test(given))
    throw invalid('wait', 'wait must be a whole number of seconds, 0 or more')
  return Math.min(mostS, Number(given))
}

type Query = Record<string, string | string[] | undefined>
type ById = { Params: { taskId: string }; Querystring: Query }

function single(query: Query, name: string): string | null {
  const value = query[name]
  if (Array.isArray(value)) throw invalid(name, `${name} must be given once`)
  return value === undefined || value === '' ? null : value
}

function isStatus(text: string): text is JobStatus {
  return jobStatuses.some(status => status === text)
}

const pageParameters: readonly string[] = ['status', 'model', 'limit', 'cursor']

function readPage(query: Query) {
  // A filter that is misspelt would show jobs that nobody asked for.
  const unknown = Object.keys(query).find(name => !pageParameters.includes(name))
  if (unknown !== undefined)
    throw invalid(unknown.slice(0, 100), `there is no such parameter; there are ${pageParameters.join(', ')}`)
  const status = single(query, 'status')
  if (status !== null && !isStatus(status)) throw invalid('status', `status must be one of ${jobStatuses.join(', ')}`)
  const size = single(query, 'limit') ?? String(jobsPerPage.usual)
  if (!/^\d{1,3}$/.test(size) || Number(size) < 1 || Number(size) > jobsPerPage.most)
    throw invalid('limit', `limit must be a whole number from 1 to ${jobsPerPage.most}`)
  const cursor = single(query, 'cursor')
  const before = cursor === null ? null : Buffer.from(cursor, 'base64url').toString('latin1')
  if (before !== null && !isJobId(before)) throw invalid('cursor', 'cursor must be the next_cursor of an earlier answer')
  return { status, model: single(query, 'model'), limit: Number(size), before }
}

export function jobRoutes(deps: JobRoutesDeps) {
  const { store, blobs, accept, links } = deps

  async function answer(reply: FastifyReply, request: FastifyRequest, accepted: Accepted): Promise<FastifyReply> {
    const { job } = accepted
    if (accepted.replayed) void reply.header('idempotent-replayed', 'true')
    if (accepted.kind === 'job') {
      const view = jobView(job, links)
      const again = await deps.pace.retryAfterS(job)
      if (again !== null) void reply.header('retry-after', again)
      return reply.code(202).header('location', view.urls.self).send(view)
    }
    const { status } = new ServiceError(accepted.code, accepted.error.message)
    const { code, message, type } = jobError(accepted.error)
    return reply.code(status).send({ error: { code, message, type, param: null }, job_id: job.id, request_id: request.id })
  }

  /** Sends a job with its ETag, or 304 where the client has it already. @param again seconds after which to ask again. */
  function sendJob(reply: FastifyReply, request: FastifyRequest, { body, etag }: Rendered, again: number | null): FastifyReply {
    if (again !== null) void reply.header('retry-after', again)
    void reply.header('etag', etag).header('cache-control', 'private, no-cache')
    if (isKnown(request, etag)) return reply.code(304).send()
    return reply.type('application/json; charset=utf-8').send(body)
  }

  /** A job as it is sent, by our id or by that of any of its tasks. */
  async function findRendered(caller: Caller, name: string): Promise<Rendered> {
    if (!isJobId(name)) return deps.renderer.render(await findJob(store, caller, name))
    const rendered = await deps.renderer.read(name)
    if (rendered === null || !maySee(caller, rendered.job)) throw noSuchJob()
    return rendered
  }

  /** As above, with nothing to wait for where it was sent before: so are most reads. */
  function knownTo(caller: Caller, name: string): Rendered | null {
    const known = deps.renderer.known(name)
    return known !== null && maySee(caller, known.job) ? known : null
  }

  /** What is done to a job takes no body, whatever a client sends along. */
  async function actions(scope: FastifyInstance): Promise<void> {
    ignoreBodies(scope)

    scope.post<ById>('/jobs/:taskId/cancel', { config: { access: 'read' }, schema: schemas.cancelJob }, async request => {
      const { id } = await findJob(store, callerOf(request), request.params.taskId)
      const outcome = await store.cancelJob({ jobId: id, now: deps.clock.now() })
      const job = await store.job(id)
      if (job === null || outcome === 'unknown') throw noSuchJob()
      if (outcome === 'final') throw new ServiceError('conflict', `the job is ${job.status} already: nothing to cancel`)
      return jobView(job, links)
    })

    const again = { config: { access: 'submit' }, schema: schemas.retryJob } as const
    scope.post<ById>('/jobs/:taskId/retry', again, async (request, reply) => {
      const job = await findJob(store, callerOf(request), request.params.taskId)
      return answer(reply, request, await accept.retry(orderOf(request, deps.newId), job))
    })

    scope.delete<ById>('/jobs/:taskId', { config: { access: 'read' }, schema: schemas.deleteJob }, async (request, reply) => {
      const job = await findJob(store, callerOf(request), request.params.taskId)
      const deleted = isFinal(job.status) && (await store.deleteJob({ jobId: job.id }))
      // Somebody else was faster.
      if (!deleted && (await store.job(job.id)) === null) throw noSuchJob()
      if (!deleted)
        throw new ServiceError('conflict', `only a final job can be deleted; this one is ${job.status}: cancel it first`)
      await blobs.removeJob(job.id)
      return reply.code(204).send()
    })
  }

  return async (app: FastifyInstance): Promise<void> => {
    app.post('/jobs', { config: { access: 'submit' }, schema: schemas.submitJob }, async (request, reply) => {
      const order = orderOf(request, deps.newId)
      const read = async () => checkRequest(await readFields(request, blobs, order.jobId, deps.limits), deps.requestLimits)
      const accepted = await accept.accept(order, read)
      return answer(reply, request, accepted)
    })

    app.get<ById>('/jobs/:taskId', { config: { access: 'read' }, schema: schemas.getJob }, async (request, reply) => {
      const waitS = waitOf(request, deps.waitMaxS)
      const caller = callerOf(request)
      const { taskId } = request.params
      const shown = knownTo(caller, taskId) ?? (await findRendered(caller, taskId))
      const { job } = shown
      if (isFinal(job.status)) return sendJob(reply, request, shown, null)
      if (waitS === null || waitS === 0) return sendJob(reply, request, shown, await deps.pace.retryAfterS(job))
      if (single(request.query, 'wait') === null) void reply.header('preference-applied', `wait=${waitS}`)
      const deadlineAt = deps.clock.now() + waitS * 1_000
      const ended = await deps.watch.watch(job.id, one => isFinal(one.status), deadlineAt, clientGone(reply))
      if (ended === null) throw noSuchJob()
      return sendJob(reply, request, deps.renderer.render(ended), await deps.pace.retryAfterS(ended))
    })

    app.get<{ Querystring: Query }>('/jobs', { config: { access: 'read' }, schema: schemas.listJobs }, async request => {
      const { status, model, limit, before } = readPage(request.query)
      const owner = callerOf(request).sees === 'all' ? null : callerOf(request).owner
      const jobs = await store.jobs({ owner, status, model, before, limit: limit + 1 })
      const page = jobs.slice(0, limit)
      const last = page.at(-1)
      const more = jobs.length > limit && last !== undefined
      return {
        data: page.map(job => jobView(job, links)),
        next_cursor: more ? Buffer.from(last.id, 'latin1').toString('base64url') : null,
        has_more: more,
      }
    })

    await app.register(actions)

    app.get<ById>('/jobs/:taskId/callbacks', { config: { access: 'read' }, schema: schemas.listCallbacks }, async request => {
      const job = await findJob(store, callerOf(request), request.params.taskId)
      const rows = await store.callbacks(job.id)
      return { data: rows.map(callbackView) }
    })
  }
}

/** A callback as clients see it. */
export function callbackView(row: CallbackRecord) {
  return {
    received_at: timestamp(row.receivedAt),
    bytes: row.sizeBytes,
    outcome: row.outcome,
    body: row.body === null ? null : parseOrText(row.body),
  }
}

/** The body as JSON; as the text it is where it was cut for its length. */
function parseOrText(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return body
  }
}
