import { Readable } from 'node:stream'
import { Agent, type Dispatcher, request } from 'undici'
import type { Blobs, Clock } from '../domain/ports.ts'
import type { Provider, SubmitOrder, SubmitOutcome } from '../domain/provider.ts'
import { LiftError, type Lifted, liftJson } from '../files/lift.ts'
import { pictureOptions } from '../files/pictures-in-results.ts'
import { type Answer, classifyAnswer, classifyFailure, parseRetryAfter } from './classify.ts'
import { encode } from './encode.ts'
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

/** Tells when a request's first byte was about to leave, and when its last had left. */
function watchLeaving(agent: Dispatcher): { dispatcher: Dispatcher; left: () => boolean; sent: Promise<void> } {
  let left = false
  let resolveSent = (): void => {}
  const sent = new Promise<void>(resolve => {
    resolveSent = resolve
  })
  const dispatcher = agent.compose(dispatch => (options, handler) => {
    const { onRequestStart, onRequestSent } = handler
    // The handler's own methods stay what they are; these two also leave word here.
    handler.onRequestStart = (controller, context) => {
      left = true
      onRequestStart?.call(handler, controller, context)
    }
    handler.onRequestSent = () => {
      resolveSent()
      onRequestSent?.call(handler)
    }
    return dispatch(options, handler)
  })
  return { dispatcher, left: () => left, sent }
}

/** The provider over HTTP. Holds connections until it is closed. */
export function connectProvider(options: ProviderOptions): Provider {
  // An answer is waited for as long as the caller's signal lets it: a picture takes minutes where no callback is possible.
  const agent = new Agent({ connect: { timeout: 10_000 }, headersTimeout: 0, bodyTimeout: 60_000, allowH2: false })
  const url = joinUrl(options.baseUrl, options.editsPath)

  async function attempt(
    order: SubmitOrder,
    signal: AbortSignal,
    leaving: ReturnType<typeof watchLeaving>,
  ): Promise<SubmitOutcome> {
    const body = encode(order)
    let response: Dispatcher.ResponseData
    try {
      response = await request(url, {
        dispatcher: leaving.dispatcher,
        method: 'POST',
        headers: {
          authorization: `Bearer ${options.apiKey}`,
          'content-type': body.contentType,
          'content-length': String(body.sizeBytes),
          accept: 'application/json',
        },
        body: Readable.from(body.chunks(), { objectMode: false }),
        // A connection of its own: one that was kept may be closed by the other side just as the request leaves, and then
        // nobody would know whether it was accepted.
        reset: true,
        signal,
      })
    } catch (error) {
      return classifyFailure(error, leaving.left())
    }
    return classifyAnswer(await readAnswer(response, order.jobId))
  }

  async function readAnswer(response: Dispatcher.ResponseData, jobId: string): Promise<Answer> {
    const { statusCode: status, headers, body } = response
    const retryAfterMs = parseRetryAfter(headers['retry-after'], options.clock.now())
    const lifted = await readJson(body, jobId)
    return { status, retryAfterMs, body: lifted?.value, fileOf: value => lifted?.file(value) }
  }

  /** The answer's JSON with its pictures on the disk; null where it is none, or broke off. */
  async function readJson(body: Dispatcher.ResponseData['body'], jobId: string): Promise<Lifted | null> {
    try {
      return await liftJson(body, pictureOptions(options.blobs, jobId, options.maxAnswerBytes))
    } catch (error) {
      body.on('error', () => {}).destroy()
      if (error instanceof LiftError) return null
      // The connection broke, or the disk is full: either way there is no answer to go by, and the task stays looked for.
      return null
    }
  }

  return {
    submit(order, signal) {
      const leaving = watchLeaving(agent)
      return { sent: leaving.sent, outcome: attempt(order, signal, leaving) }
    },
    records: makeRecords({ ...options, agent }),
    async close() {
      await agent.destroy()
    },
  }
}
