import { Readable } from 'node:stream'
import { Agent, type Dispatcher, request } from 'undici'
import type { Blobs, Clock } from '../domain/ports.ts'
import type { Provider, SubmitOrder, SubmitOutcome } from '../domain/provider.ts'
import { parseRetryAfter } from '../domain/retry.ts'
import { LiftError, type Lifted, liftJson } from '../files/lift.ts'
import { pictureOptions } from '../files/pictures-in-results.ts'
import { unlessAborted } from './abort.ts'
import { classifyAnswer, classifyFailure } from './classify.ts'
import { encode } from './encode.ts'
import { type Leaving, watchLeaving } from './leaving.ts'
import { discardUnused } from './leftovers.ts'
import { makeRecords } from './records.ts'
import { joinUrl } from './url.ts'

export type ProviderOptions = {
  baseUrl: string
  editsPath: string
  tasksPath: string
  apiKey: string
  blobs: Blobs
  clock: Clock
  /** The most that an answer with a whole result in it may have. */
  maxAnswerBytes: number
}

/** TLS is checked whatever NODE_TLS_REJECT_UNAUTHORIZED says: our key travels on it. */
const connecting = { connect: { timeout: 10_000, rejectUnauthorized: true }, allowH2: false } as const

/** The provider over HTTP. Holds connections until it is closed. */
export function connectProvider(options: ProviderOptions): Provider {
  const { blobs } = options
  // Each submit has a connection of its own, that no other request had or will have: one that was kept may be closed by the
  // other side just as the request leaves, and then nobody would know whether it was accepted. An answer is waited for as long
  // as the caller's signal lets it: a picture takes minutes where the provider holds the connection instead of calling back.
  const submits = new Agent({ ...connecting, headersTimeout: 0, bodyTimeout: 0 })
  const questions = new Agent({ ...connecting, headersTimeout: 30_000, bodyTimeout: 60_000 })
  const url = joinUrl(options.baseUrl, options.editsPath)

  async function attempt(order: SubmitOrder, signal: AbortSignal, leaving: Leaving): Promise<SubmitOutcome> {
    const { contentType, sizeBytes, content } = encode(order)
    let response: Dispatcher.ResponseData
    try {
      signal.throwIfAborted()
      const answered = request(url, {
        dispatcher: leaving.dispatcher,
        method: 'POST',
        headers: {
          authorization: `Bearer ${options.apiKey}`,
          'content-type': contentType,
          'content-length': String(sizeBytes),
          accept: 'application/json',
        },
        body: Buffer.isBuffer(content) ? content : Readable.from(content(), { objectMode: false }),
        reset: true,
        signal,
      })
      response = await unlessAborted(answered, signal)
    } catch (error) {
      return classifyFailure(error, leaving.left())
    }
    return classifyResponse(response, order.jobId, sizeBytes)
  }

  async function classifyResponse(response: Dispatcher.ResponseData, jobId: string, sentBytes: number): Promise<SubmitOutcome> {
    const { statusCode: status, headers, body } = response
    const retryAfterMs = parseRetryAfter(headers['retry-after'], options.clock.now())
    const read = await readJson(body, jobId)
    const lifted = typeof read === 'string' ? null : read
    const isWhole = read !== 'unreadable'
    const answer = { status, retryAfterMs, body: lifted?.value, isWhole, fileOf: (value: unknown) => lifted?.file(value) }
    const outcome = classifyAnswer(answer, sentBytes)
    await discardUnused(blobs, jobId, lifted?.files ?? [], outcome.kind === 'finished' ? [outcome.result] : [])
    return outcome
  }

  /**
   * The answer's JSON with its pictures on the disk. `unreadable`: it broke off, or is more than may be, or the disk is full. Then,
   * and where it is no JSON, there is no answer to go by, and the task stays looked for.
   */
  async function readJson(body: Dispatcher.ResponseData['body'], jobId: string): Promise<Lifted | 'no_json' | 'unreadable'> {
    try {
      return await liftJson(body, pictureOptions(blobs, jobId, options.maxAnswerBytes))
    } catch (error) {
      body.on('error', () => {}).destroy()
      return error instanceof LiftError && error.kind === 'malformed' ? 'no_json' : 'unreadable'
    }
  }

  return {
    submit(order, signal) {
      const leaving = watchLeaving(submits)
      return { sent: leaving.sent, outcome: attempt(order, signal, leaving) }
    },
    records: makeRecords({ ...options, agent: questions }),
    async close() {
      await Promise.all([submits.destroy(), questions.destroy()])
    },
  }
}
