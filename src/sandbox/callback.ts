import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { type Dispatcher, request } from 'undici'
import { escapeSlashes, lengthOf, type Segments, textOf } from './json.ts'

const callbackTimeoutMs = 30_000
/** Into how many pieces a slow body is cut. */
const slowPieces = 24
/** What is left of a malformed body. */
const keptShare = 0.6

export type CallbackOptions = {
  readonly dispatcher: Dispatcher
  readonly closing: AbortSignal
  readonly isMalformed: boolean
  /** How long the body takes; 0: no longer than it must. */
  readonly overMs: number
}

/** Sends a result: one attempt, 30 s. Answers with the HTTP status, null where there was none. Never rejects. */
export async function postCallback(url: string, body: Segments, options: CallbackOptions): Promise<number | null> {
  const signal = AbortSignal.any([options.closing, AbortSignal.timeout(callbackTimeoutMs)])
  try {
    const response = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: bodyOf(body, options, signal),
      dispatcher: options.dispatcher,
      signal,
    })
    await response.body.dump()
    return response.statusCode
  } catch {
    return null
  }
}

/** A short text goes whole, with a length; one with pictures in it is streamed. */
function bodyOf(segments: Segments, { isMalformed, overMs }: CallbackOptions, signal: AbortSignal): string | Readable {
  const [only] = segments
  if (segments.length === 1 && typeof only === 'string' && overMs === 0) {
    return escapeSlashes(isMalformed ? only.slice(0, only.length * keptShare) : only)
  }
  const length = lengthOf(segments)
  let text = textOf(segments)
  if (isMalformed) text = firstOf(text, Math.floor(length * keptShare))
  if (overMs > 0) text = trickle(text, Math.ceil(length / slowPieces), overMs / slowPieces, signal)
  return Readable.from(escaped(text))
}

async function* escaped(text: AsyncIterable<string>): AsyncGenerator<Buffer, void, undefined> {
  for await (const part of text) yield Buffer.from(escapeSlashes(part))
}

async function* firstOf(text: AsyncIterable<string>, length: number): AsyncGenerator<string, void, undefined> {
  let left = length
  for await (const part of text) {
    yield part.slice(0, left)
    left -= part.length
    if (left <= 0) return
  }
}

async function* trickle(
  text: AsyncIterable<string>,
  pieceLength: number,
  pauseMs: number,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  for await (const part of text) {
    for (let from = 0; from < part.length; from += pieceLength) {
      yield part.slice(from, from + pieceLength)
      await pause(pauseMs, undefined, { signal })
    }
  }
}
