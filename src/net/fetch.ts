import { type Agent, type Dispatcher, request } from 'undici'
import { giveBack } from '../domain/chunks.ts'
import type { Clock, FileSink, StoredFile } from '../domain/ports.ts'
import { plainBodyOf } from './body.ts'
import { FetchFailed, failureOfConnection, idleFailure, tooLarge } from './failure.ts'
import { checkUrl, type DialPolicy, guardedAgent } from './guard.ts'

export type FetchLimits = {
  /** A body with more bytes than this fails, by its `content-length` or as it comes; one that is packed, unpacked as well. */
  maxBytes: number
  /** For everything together: names, connections, redirects and the last byte. */
  timeoutMs: number
  /** Calls the download off. */
  signal?: AbortSignal
}

/** What a good answer says of itself before its body. */
export type Answer = {
  /** Its type as the server calls it, in small letters and without parameters; '' where it names none. */
  contentType: string
}

/** Downloads from addresses that its policy allows, over connections that it keeps. */
export interface Fetcher {
  /**
   * Downloads `url` into a file. `openSink` is called once, when a good answer has begun; the sink is finished or discarded
   * before this settles. At most 3 redirects are followed, each judged like `url` itself, none from https to http. A body that
   * is packed all the same is unpacked. One that comes slower than 1 kB/s for 10 s is given up.
   *
   * Throws FetchFailed for what has to do with `url`, its server, the limits or the signal; errors of `openSink` and of the
   * sink come through as they are.
   */
  fetchToFile(url: string, openSink: (answer: Answer) => FileSink, limits: FetchLimits): Promise<StoredFile>
  /** Breaks off what is under way, as a FetchFailed that is retryable, and closes all connections. */
  close(): Promise<void>
}

const maxRedirects = 3
const maxIdleMs = 15_000
const redirects: readonly number[] = [301, 302, 303, 307, 308]

const requestHeaders = {
  accept: 'image/png, image/jpeg, image/webp, image/*;q=0.9, */*;q=0.5',
  // Pictures are packed already.
  'accept-encoding': 'identity',
  // Some hosts of pictures answer 403 to a request without one.
  'user-agent': 'darkroom',
}

/** A fetcher for one policy. It holds connections: close it. */
export function createFetcher(policy: DialPolicy, clock: Clock): Fetcher {
  const agent = guardedAgent(policy)
  const closing = new AbortController()
  return {
    fetchToFile: async (url, openSink, limits) => {
      const deadline = startDeadline(limits, closing.signal)
      try {
        const response = await getFollowing(url, { agent, policy, limits, signal: deadline.signal })
        return await pour(response, openSink, limits, clock)
      } finally {
        deadline.stop()
      }
    },
    close: async () => {
      closing.abort()
      await agent.destroy()
    },
  }
}

/**
 * Aborts with the FetchFailed that is to be thrown. A timer of its own rather than AbortSignal.timeout, because that one
 * cannot be stopped: it would live on for the rest of its time after each download that was quick.
 */
function startDeadline(limits: FetchLimits, closing: AbortSignal): { signal: AbortSignal; stop: () => void } {
  const controller = new AbortController()
  const tookTooLong = () =>
    controller.abort(new FetchFailed(`took longer than ${limits.timeoutMs / 1000} s`, { retryable: true }))
  const timer = setTimeout(tookTooLong, limits.timeoutMs)
  const callers = [closing, limits.signal].filter(signal => signal !== undefined)
  const interrupt = () => {
    const cause = callers.find(signal => signal.aborted)?.reason
    controller.abort(new FetchFailed('was interrupted', { retryable: true, cause }))
  }
  for (const signal of callers) signal.addEventListener('abort', interrupt, { once: true })
  // A signal that is aborted already has no more events to send.
  if (callers.some(signal => signal.aborted)) interrupt()
  return {
    signal: controller.signal,
    stop: () => {
      clearTimeout(timer)
      for (const signal of callers) signal.removeEventListener('abort', interrupt)
    },
  }
}

type Trip = { agent: Agent; policy: DialPolicy; limits: FetchLimits; signal: AbortSignal }

function idleMsOf({ timeoutMs }: FetchLimits): number {
  return Math.min(timeoutMs, maxIdleMs)
}

/** Follows redirects to an answer that is a 200, and not too large by its own account. */
async function getFollowing(text: string, trip: Trip): Promise<Dispatcher.ResponseData> {
  let url = checked(text, trip.policy)
  for (let hops = 0; ; hops++) {
    const response = await get(url, trip)
    const failure = redirects.includes(response.statusCode) ? null : failureOfHeaders(response, trip.limits)
    if (response.statusCode === 200 && failure === null) return response
    drop(response)
    if (failure !== null) throw failure
    if (hops === maxRedirects) throw new FetchFailed(`redirects more than ${maxRedirects} times`, { status: response.statusCode })
    url = nextUrl(url, response, trip.policy)
  }
}

function checked(text: string, policy: DialPolicy): URL {
  const check = checkUrl(text, policy)
  if (check.ok) return check.url
  throw new FetchFailed(check.reason, { final: true })
}

async function get(url: URL, trip: Trip): Promise<Dispatcher.ResponseData> {
  const idleMs = idleMsOf(trip.limits)
  const { agent, signal } = trip
  try {
    signal.throwIfAborted()
    const timeouts = { headersTimeout: idleMs, bodyTimeout: idleMs }
    const answer = request(url, { dispatcher: agent, headers: requestHeaders, signal, ...timeouts })
    return await unlessAborted(answer, signal)
  } catch (error) {
    throw idleFailure(error, idleMs) ?? failureOfConnection(error)
  }
}

/** undici looks at the signal only once the connection stands: without this, a host that drops packets holds us 10 s longer. */
async function unlessAborted<T>(pending: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([pending, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function failureOfHeaders(response: Dispatcher.ResponseData, limits: FetchLimits): FetchFailed | null {
  const status = response.statusCode
  if (status !== 200) {
    const retryable = status === 408 || status === 425 || status === 429 || status >= 500
    return new FetchFailed(`answered ${status}`, { status, retryable })
  }
  // A length that is missing or no number compares as false: then the count of the bytes decides.
  return Number(response.headers['content-length']) > limits.maxBytes ? tooLarge(limits.maxBytes) : null
}

function nextUrl(from: URL, response: Dispatcher.ResponseData, policy: DialPolicy): URL {
  const status = response.statusCode
  const { location } = response.headers
  const to = typeof location === 'string' ? URL.parse(location, from.href) : null
  if (to === null) throw new FetchFailed(`answered ${status} without saying where to go`, { status })
  if (from.protocol === 'https:' && to.protocol === 'http:') {
    throw new FetchFailed('redirects from https to http', { status })
  }
  const check = checkUrl(to.href, policy)
  if (check.ok) return check.url
  throw new FetchFailed(`redirects to a URL that ${check.reason}`, { status })
}

function answerOf(response: Dispatcher.ResponseData): Answer {
  const [contentType = ''] = String(response.headers['content-type'] ?? '').split(';', 1)
  return { contentType: contentType.trim().toLowerCase() }
}

async function pour(
  response: Dispatcher.ResponseData,
  openSink: (answer: Answer) => FileSink,
  limits: FetchLimits,
  clock: Clock,
): Promise<StoredFile> {
  let sink: FileSink | null = null
  try {
    sink = openSink(answerOf(response))
    let sizeBytes = 0
    for await (const chunk of plainBodyOf(response, { maxBytes: limits.maxBytes, idleMs: idleMsOf(limits), clock })) {
      sizeBytes += chunk.byteLength
      if (sizeBytes > limits.maxBytes) throw tooLarge(limits.maxBytes)
      const written = sink.write(chunk)
      if (written !== undefined) await written
      giveBack(chunk)
    }
  } catch (error) {
    drop(response)
    await sink?.discard()
    throw error
  }
  return sink.finish()
}

/** Gives up what is left of a body, with its connection: reading it to its end would take the time that its server likes. */
function drop(response: Dispatcher.ResponseData): void {
  response.body.on('error', () => {}).destroy()
}
