import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type ErrorCode, statusOfCode } from '../domain/errors.ts'
import { isFinal } from '../domain/job.ts'
import type { Blobs, Clock } from '../domain/ports.ts'
import type { JobRecord } from '../domain/records.ts'
import type { RequestLimits } from '../domain/request.ts'
import { type JobError, jobError, jobView, type Links } from '../domain/view.ts'
import type { Accept, Accepted } from '../steps/accept.ts'
import type { Held } from '../steps/held.ts'
import { answeredImages, type ResultBodies } from '../steps/result-body.ts'
import { clientGone, whenClosed } from './connections.ts'
import { type FieldLimits, readFields } from './fields.ts'
import { checkOpenAiRequest, type OpenAiRequest } from './openai-request.ts'
import { headerOf, orderOf } from './order.ts'

export type OpenAiRoutesDeps = {
  blobs: Blobs
  accept: Accept
  held: Held
  bodies: ResultBodies
  clock: Clock
  links: Links
  limits: FieldLimits
  requestLimits: RequestLimits
  newId: (prefix: string) => string
}

const editPaths = ['/v1/images/edits', '/openai/images/edits', '/v1/openai/images/edits', '/v1/v1/images/edits']
/** OpenAI's SDKs give up after 300 s; what is not there by then goes on as a job. */
const answerWithinMs = 280_000
const commentEveryMs = 15_000

/** What is said of a job that has no picture to answer with. */
type Failure = {
  status: number
  error: { message: string; type: string; param: null; code: string; job_id: string }
  mayRetry: boolean
}

const statusOfFailure: Readonly<Record<string, number>> = { forbidden: 403, bad_request: 400, used_up: 402, expired: 504 }

function failureOf(
  job: JobRecord,
  told: Pick<JobError, 'code' | 'message' | 'type'>,
  status: number,
  mayRetry: boolean,
): Failure {
  const { code, message, type } = told
  return { status, error: { message, type, param: null, code, job_id: job.id }, mayRetry }
}

/** Why a job is answered with an error; null where there are pictures. */
function failureOfJob(job: JobRecord, links: Links): Failure | null {
  if (!isFinal(job.status)) {
    const message = `the pictures are not there yet; the job goes on: GET /jobs/${job.id}, or ask again with the same request`
    return failureOf(job, { code: 'timeout', message, type: 'api_error' }, 504, true)
  }
  if (answeredImages(job).length > 0) return null
  const { error } = jobView(job, links)
  if (error === null)
    return failureOf(job, { code: job.status, message: `the job is ${job.status}`, type: 'api_error' }, 409, false)
  return failureOf(job, error, statusOfFailure[error.code] ?? 502, error.retryable)
}

function failureOfRefusal(accepted: Extract<Accepted, { kind: 'refused' }>): Failure {
  const told = jobError(accepted.error)
  const code: ErrorCode = accepted.code
  return failureOf(accepted.job, told, statusOfCode[code], false)
}

function sendFailure(reply: FastifyReply, request: FastifyRequest, { status, error, mayRetry }: Failure): FastifyReply {
  if (!mayRetry) void reply.header('x-should-retry', 'false')
  return reply.code(status).send({ error, request_id: request.id })
}

/** The routes that OpenAI's SDKs, and the provider's own pages, know. */
export function openAiRoutes(deps: OpenAiRoutesDeps) {
  const { accept, held, bodies } = deps

  async function edit(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const order = orderOf(request, deps.newId)
    const isRetry = Number(headerOf(request, 'x-stainless-retry-count') ?? 0) > 0
    let read: OpenAiRequest | null = null
    const isHeld = (): boolean => read?.mode.kind !== 'at_once'
    held.attend(order.jobId)
    whenClosed(reply, () => held.release(order.jobId, !reply.raw.writableFinished))
    const claim = async (print: string): Promise<string | null> => {
      const claimed = isRetry && isHeld() ? await held.claim(order.owner, print) : null
      if (claimed !== null) whenClosed(reply, () => held.release(claimed, !reply.raw.writableFinished))
      return claimed
    }
    const accepted = await accept.accept({ ...order, isHeld, claim }, async () => {
      const fields = await readFields(request, deps.blobs, order.jobId, deps.limits, 'openai')
      read = checkOpenAiRequest(fields, request, deps.requestLimits)
      return read.request
    })
    // Set by the reader above, without which nothing is accepted.
    const { mode, base64 } = read as unknown as OpenAiRequest
    if (accepted.replayed) void reply.header('idempotent-replayed', 'true')
    const { job } = accepted
    if (accepted.kind === 'refused') {
      reply.raw.once('finish', () => void held.answered(job))
      return sendFailure(reply, request, failureOfRefusal(accepted))
    }
    if (mode.kind === 'at_once') return reply.send({ task_id: job.tasks[0]?.providerTaskId ?? job.id })
    return mode.kind === 'stream' ? answerAsEvents(request, reply, job, base64) : answerHeld(request, reply, job, base64)
  }

  async function answerHeld(
    request: FastifyRequest,
    reply: FastifyReply,
    job: JobRecord,
    base64: boolean,
  ): Promise<FastifyReply> {
    const ended = await held.wait(job, deps.clock.now() + answerWithinMs, clientGone(reply))
    reply.raw.once('finish', () => void held.answered(ended))
    const failure = failureOfJob(ended, deps.links)
    if (failure !== null) return sendFailure(reply, request, failure)
    const body = bodies.flat(ended, base64)
    void reply.header('content-type', 'application/json; charset=utf-8').header('content-length', body.sizeBytes)
    return reply.send(Readable.from(body.chunks(), { objectMode: false }))
  }

  async function answerAsEvents(
    request: FastifyRequest,
    reply: FastifyReply,
    job: JobRecord,
    base64: boolean,
  ): Promise<FastifyReply> {
    reply.hijack()
    const { raw } = reply
    raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      'x-request-id': request.id,
    })
    raw.flushHeaders()
    const comments = setInterval(() => raw.write(':\n\n'), commentEveryMs)
    const gone = clientGone(reply)
    try {
      const ended = await held.wait(job, deps.clock.now() + answerWithinMs, gone)
      clearInterval(comments)
      raw.once('finish', () => void held.answered(ended))
      await pipeline(Readable.from(events(ended, base64), { objectMode: false }), raw)
    } catch (error) {
      // A client that went away is no failure of ours; its retry claims the job.
      if (!gone.aborted) throw error
    } finally {
      clearInterval(comments)
    }
    return reply
  }

  async function* events(job: JobRecord, base64: boolean): AsyncGenerator<Uint8Array> {
    const failure = failureOfJob(job, deps.links)
    if (failure !== null) {
      yield Buffer.from(`event: error\ndata: ${JSON.stringify({ type: 'error', error: failure.error })}\n\n`)
      return
    }
    for (const image of answeredImages(job)) {
      yield Buffer.from('event: image_edit.completed\ndata: ')
      yield* bodies.event(job, image, base64).chunks()
      yield Buffer.from('\n\n')
    }
  }

  return async (app: FastifyInstance): Promise<void> => {
    // What a retry cannot mend is told to the SDKs, which would try twice more.
    app.addHook('onSend', async (_request, reply) => {
      if (reply.statusCode >= 400 && reply.statusCode < 500 && reply.statusCode !== 429 && reply.statusCode !== 408)
        void reply.header('x-should-retry', 'false')
    })
    for (const path of editPaths) app.post(path, { config: { access: 'submit' } }, edit)
  }
}
