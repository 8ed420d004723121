import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ServiceError } from '../domain/errors.ts'
import type { Blobs, Clock, Log } from '../domain/ports.ts'
import type { JobRecord } from '../domain/records.ts'
import type { RequestLimits } from '../domain/request.ts'
import type { Waiter } from '../domain/store.ts'
import type { Links } from '../domain/view.ts'
import type { Accept, Accepted, Order } from '../steps/accept.ts'
import type { Held } from '../steps/held.ts'
import { answeredImages, type ResultBodies } from '../steps/result-body.ts'
import { clientGone, closeAfterAnswer, whenClosed, whenTaken } from './connections.ts'
import { errorBody } from './errors.ts'
import { beginStream } from './events.ts'
import { type FieldLimits, readFields } from './fields.ts'
import { type Failure, failureOfJob, failureOfRefusal, jobDeleted } from './openai-failures.ts'
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
  /** The longest that a call is held. */
  answerWithinS: number
  /** Of this process. */
  instance: string
  /** Whether a client's callback URL is only there to have the provider answer at once. */
  isPlaceholderCallback: (url: string) => boolean
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

/** A connection that waits for a job's answer. */
type Line = {
  waiter: Waiter
  /** null: nothing may be charged for it yet. */
  jobId: string | null
  /** What is being sent is the job's last answer. */
  isLast: boolean
}

/** Who waits for which job, until when (ms since 1970). */
type Waiting = { jobId: string; base64: boolean; answerBy: number; gone: AbortSignal; line: Line }

const deletedMessage = 'the job was deleted while it was waited for'

function bodyOf({ error, traceId }: Failure, requestId: string) {
  return { error, ...(traceId === null ? {} : { trace_id: traceId }), request_id: requestId }
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
    const answerBy = deps.clock.now() + deps.answerWithinS * 1_000
    const order = orderOf(request, deps.newId)
    const gone = clientGone(reply)
    const line: Line = { waiter: waiterOf(request, order), jobId: null, isLast: false }
    whenClosed(reply, () => void endOf(line, reply.raw))
    let read: OpenAiRequest | null = null
    const accepted = await acceptOrTellDeleted({ ...order, ...waitingFor(order, line, reply.raw) }, async () => {
      const fields = await readFields(request, deps.blobs, order.jobId, deps.limits, 'openai')
      read = checkOpenAiRequest(fields, request, deps.requestLimits, deps.isPlaceholderCallback)
      return read.request
    })
    // Set by the reader above, without which nothing is accepted.
    const { mode, base64 } = read as unknown as OpenAiRequest
    if (accepted.replayed) void reply.header('idempotent-replayed', 'true')
    const { job } = accepted
    if (accepted.kind === 'refused') return sendFailure(reply, request, line, failureOfRefusal(accepted))
    if (mode.kind === 'at_once') {
      sendLast(reply, line)
      return reply.send({ task_id: job.tasks[0]?.providerTaskId ?? job.id })
    }
    const waiting: Waiting = { jobId: job.id, base64, answerBy, gone, line }
    return mode.kind === 'stream' ? answerAsEvents(request, reply, waiting) : answerHeld(request, reply, waiting)
  }

  async function acceptOrTellDeleted(order: Order, read: Parameters<Accept['accept']>[1]): Promise<Accepted> {
    try {
      return await accept.accept(order, read)
    } catch (error) {
      const isDeleted = error instanceof ServiceError && (error.code === 'conflict' || error.code === 'not_found')
      throw isDeleted ? jobDeleted(error.message, { param: error.param, cause: error }) : error
    }
  }

  /** How it ends decides whether a retry may claim the job. It is noted before anything else is heard of the client. */
  async function endOf({ jobId, waiter, isLast }: Line, raw: ServerResponse): Promise<void> {
    const { connection } = waiter
    if (!raw.writableFinished) deps.log.info({ job: jobId ?? connection }, 'client.gone')
    if (jobId === null) return
    if (!raw.writableFinished || !isLast) return held.ended(jobId, connection, false)
    const taken = await whenTaken(raw, deps.clock)
    if (!taken) deps.log.info({ job: jobId }, 'answer.not_taken')
    held.ended(jobId, connection, taken)
  }

  function waiterOf(request: FastifyRequest, order: Order): Waiter {
    const count = Number(headerOf(request, 'x-stainless-retry-count') ?? 0)
    return {
      connection: order.jobId,
      by: deps.instance,
      count: Number.isSafeInteger(count) && count > 0 ? count : 0,
      caller: order.owner === '' ? request.ip : null,
    }
  }

  /**
   * What may be claimed instead of making a job, and who may be waited for. An Idempotency-Key says by itself which job it is:
   * neither is for it. A client that has gone before its job came to be made is not charged for it.
   */
  function waitingFor(order: Order, line: Line, raw: ServerResponse): Pick<Order, 'waiter' | 'claim'> {
    const { waiter } = line
    const isKeyed = order.idempotencyKey !== null
    const making = (): Waiter | null => {
      if (raw.closed || raw.destroyed) throw new ServiceError('canceled', 'the client went away before the job was made')
      if (isKeyed) return null
      line.jobId = order.jobId
      return waiter
    }
    if (isKeyed) return { waiter: making }
    return {
      waiter: making,
      claim: async print => {
        const jobId = await held.claim(order.owner, print, waiter)
        // A client that has gone meanwhile leaves it to the next.
        if (jobId !== null && (raw.closed || raw.destroyed)) held.ended(jobId, waiter.connection, false)
        else line.jobId = jobId
        return jobId
      },
    }
  }

  /** Before an answer that is the job's last: whoever takes it has it, and no retry may claim the job any more. */
  function sendLast(reply: FastifyReply, line: Line): void {
    line.isLast = true
    if (line.jobId !== null) closeAfterAnswer(reply)
  }

  function sendFailure(reply: FastifyReply, request: FastifyRequest, line: Line, failure: Failure): FastifyReply {
    if (!failure.goesOn) {
      sendLast(reply, line)
      void reply.header('x-should-retry', 'false')
    }
    return reply.code(failure.status).send(bodyOf(failure, request.id))
  }

  async function answerHeld(request: FastifyRequest, reply: FastifyReply, waiting: Waiting): Promise<FastifyReply> {
    const { base64, line } = waiting
    const ended = await held.wait(waiting.jobId, base64, waiting.answerBy, waiting.gone)
    if (ended === null) throw jobDeleted(deletedMessage)
    const failure = failureOfJob(ended, base64, deps.links)
    if (failure !== null) return sendFailure(reply, request, line, failure)
    sendLast(reply, line)
    const body = bodies.flat(ended, base64)
    void reply.header('content-type', 'application/json; charset=utf-8').header('content-length', body.sizeBytes)
    return reply.send(Readable.from(body.chunks(), { objectMode: false }))
  }

  async function answerAsEvents(request: FastifyRequest, reply: FastifyReply, waiting: Waiting): Promise<FastifyReply> {
    const { base64, line } = waiting
    if (line.jobId !== null) closeAfterAnswer(reply)
    const raw = beginStream(reply)
    const stopComments = sayEvery(deps.clock, commentEveryMs, () => raw.write(':\n\n'))
    try {
      const ended = await held.wait(waiting.jobId, base64, waiting.answerBy, waiting.gone)
      stopComments()
      const failure = ended === null ? null : failureOfJob(ended, base64, deps.links)
      line.isLast = failure?.goesOn !== true
      await pipeline(Readable.from(events(ended, failure, base64, request.id), { objectMode: false }), raw)
    } catch (error) {
      raw.destroy()
      // A client that went away is no failure of ours; its retry claims the job.
      if (!waiting.gone.aborted) deps.log.error({ err: error, request_id: request.id, job: waiting.jobId }, 'stream.broke')
    } finally {
      stopComments()
    }
    return reply
  }

  async function* events(
    job: JobRecord | null,
    failure: Failure | null,
    base64: boolean,
    requestId: string,
  ): AsyncGenerator<Uint8Array> {
    if (job === null || failure !== null) {
      const told =
        failure === null ? { error: errorBody(jobDeleted(deletedMessage), requestId).error } : bodyOf(failure, requestId)
      yield Buffer.from(`event: error\ndata: ${JSON.stringify({ type: 'error', ...told })}\n\n`)
      return
    }
    for (const image of answeredImages(job, base64)) {
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
