import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type ErrorCode, ServiceError, statusOfCode } from '../domain/errors.ts'
import { billable, isFinal } from '../domain/job.ts'
import type { Blobs, Clock, Log } from '../domain/ports.ts'
import type { JobRecord } from '../domain/records.ts'
import type { RequestLimits } from '../domain/request.ts'
import { type JobError, jobError, jobView, type Links } from '../domain/view.ts'
import type { Accept, Accepted, Order } from '../steps/accept.ts'
import type { Held } from '../steps/held.ts'
import { answeredImages, type ResultBodies } from '../steps/result-body.ts'
import { answerWithinS } from './bounds.ts'
import { clientGone, whenArrived, whenClosed } from './connections.ts'
import { errorBody } from './errors.ts'
import { beginStream } from './events.ts'
import { type FieldLimits, readFields } from './fields.ts'
import { checkOpenAiRequest, type OpenAiRequest } from './openai-request.ts'
import { headerOf, orderOf } from './order.ts'
import { editImages } from './schema/operations/openai.ts'

export type OpenAiRoutesDeps = {
  blobs: Blobs
  accept: Accept
  held: Held
  bodies: ResultBodies
  clock: Clock
  log: Log
  links: Links
  limits: FieldLimits
  requestLimits: RequestLimits
  newId: (prefix: string) => string
}

/** By the names that they have in the API's document. */
const editPaths = {
  editImages: '/v1/images/edits',
  editImagesOfProvider: '/openai/images/edits',
  editImagesOfProviderV1: '/v1/openai/images/edits',
  editImagesOfProviderV1V1: '/v1/v1/images/edits',
}
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
    // Not "send it again": without the header that a retry of the SDKs carries, that would be a job of its own.
    const message = `the pictures are not there yet; the job goes on, and GET /jobs/${job.id} has them when they are`
    return failureOf(job, { code: 'timeout', message, type: 'api_error' }, 504, true)
  }
  if (answeredImages(job).length > 0) return null
  const { error } = jobView(job, links)
  if (error === null)
    return failureOf(job, { code: job.status, message: `the job is ${job.status}`, type: 'api_error' }, 409, false)
  // What may have been charged is never asked for again by itself.
  const mayRetry = error.retryable && billable(job.tasks.map(task => task.charge)) === 'no'
  return failureOf(job, error, statusOfFailure[error.code] ?? 502, mayRetry)
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

/** Who waits for which job, until when (ms since 1970). */
type Waiting = { jobId: string; base64: boolean; answerBy: number; gone: AbortSignal }

function jobDeleted(): ServiceError {
  return new ServiceError('not_found', 'the job was deleted while it was waited for')
}

/**
 * Whether a retry may claim the job as long as its answer did not arrive: not where an Idempotency-Key leads back to it. A
 * client that has gone before its job came to be made is not charged for it: its retry would find nothing to claim.
 */
function isHeldFor({ idempotencyKey }: Order, gone: AbortSignal): () => boolean {
  return () => {
    if (gone.aborted) throw new ServiceError('conflict', 'the client went away before the job was made')
    return idempotencyKey === null
  }
}

/** Says something again and again. Gives a way to stop. */
function sayEvery(clock: Clock, everyMs: number, say: () => void): () => void {
  let cancel = (): void => {}
  const next = (): void => {
    cancel = clock.after(everyMs, () => {
      say()
      next()
    })
  }
  next()
  return () => cancel()
}

/** The routes that OpenAI's SDKs, and the provider's own pages, know. */
export function openAiRoutes(deps: OpenAiRoutesDeps) {
  const { accept, held, bodies } = deps

  async function edit(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const answerBy = deps.clock.now() + answerWithinS * 1_000
    const order = orderOf(request, deps.newId)
    const gone = clientGone(reply)
    let read: OpenAiRequest | null = null
    const releaseAtEnd = (jobId: string): void => {
      whenClosed(reply, () => held.release(jobId, !reply.raw.writableFinished))
    }
    held.attend(order.jobId)
    releaseAtEnd(order.jobId)
    const making = { isHeld: isHeldFor(order, gone), ...claimFor(request, order, releaseAtEnd) }
    const accepted = await accept.accept({ ...order, ...making }, async () => {
      const fields = await readFields(request, deps.blobs, order.jobId, deps.limits, 'openai')
      read = checkOpenAiRequest(fields, request, deps.requestLimits)
      return read.request
    })
    // Set by the reader above, without which nothing is accepted.
    const { mode, base64 } = read as unknown as OpenAiRequest
    if (accepted.replayed) void reply.header('idempotent-replayed', 'true')
    const { job } = accepted
    if (accepted.kind === 'refused') {
      noteWhenSent(reply, job)
      return sendFailure(reply, request, failureOfRefusal(accepted))
    }
    if (mode.kind === 'at_once') {
      noteWhenSent(reply, job)
      return reply.send({ task_id: job.tasks[0]?.providerTaskId ?? job.id })
    }
    const waiting: Waiting = { jobId: job.id, base64, answerBy, gone }
    return mode.kind === 'stream' ? answerAsEvents(request, reply, waiting) : answerHeld(request, reply, waiting)
  }

  /** An answer that the client took whole is the job's last: no retry may claim it after that. */
  function noteWhenSent(reply: FastifyReply, job: JobRecord): void {
    reply.raw.once('finish', () => void held.answered(job.id, whenArrived(reply.raw, deps.clock)))
  }

  /** A retry looks for its first request's job. An Idempotency-Key says by itself which job it is. */
  function claimFor(request: FastifyRequest, order: Order, claimed: (jobId: string) => void): Pick<Order, 'claim'> {
    const isRetry = Number(headerOf(request, 'x-stainless-retry-count') ?? 0) > 0
    if (order.idempotencyKey !== null || !isRetry) return {}
    return {
      claim: async print => {
        const jobId = await held.claim(order.owner, print)
        if (jobId !== null) claimed(jobId)
        return jobId
      },
    }
  }

  async function answerHeld(request: FastifyRequest, reply: FastifyReply, waiting: Waiting): Promise<FastifyReply> {
    const { base64 } = waiting
    const ended = await held.wait(waiting.jobId, waiting.answerBy, waiting.gone)
    if (ended === null) throw jobDeleted()
    // At its deadline it is answered with an error that asks to try again, and the retry is to find it.
    if (isFinal(ended.status)) noteWhenSent(reply, ended)
    const failure = failureOfJob(ended, deps.links)
    if (failure !== null) return sendFailure(reply, request, failure)
    const body = bodies.flat(ended, base64)
    void reply.header('content-type', 'application/json; charset=utf-8').header('content-length', body.sizeBytes)
    return reply.send(Readable.from(body.chunks(), { objectMode: false }))
  }

  async function answerAsEvents(request: FastifyRequest, reply: FastifyReply, waiting: Waiting): Promise<FastifyReply> {
    const raw = beginStream(reply)
    const stopComments = sayEvery(deps.clock, commentEveryMs, () => raw.write(':\n\n'))
    try {
      const ended = await held.wait(waiting.jobId, waiting.answerBy, waiting.gone)
      stopComments()
      if (ended !== null && isFinal(ended.status)) noteWhenSent(reply, ended)
      await pipeline(Readable.from(events(ended, waiting.base64, request.id), { objectMode: false }), raw)
    } catch (error) {
      raw.destroy()
      // A client that went away is no failure of ours; its retry claims the job.
      if (!waiting.gone.aborted) deps.log.error({ err: error, request_id: request.id, job: waiting.jobId }, 'stream.broke')
    } finally {
      stopComments()
    }
    return reply
  }

  async function* events(job: JobRecord | null, base64: boolean, requestId: string): AsyncGenerator<Uint8Array> {
    const error = job === null ? errorBody(jobDeleted(), requestId).error : failureOfJob(job, deps.links)?.error
    if (job === null || error !== undefined) {
      yield Buffer.from(`event: error\ndata: ${JSON.stringify({ type: 'error', error })}\n\n`)
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
    for (const [name, path] of Object.entries(editPaths))
      app.post(path, { config: { access: 'submit' }, schema: editImages(name) }, edit)
  }
}
