import type { Dispatcher } from 'undici'
import { contentTypeOf } from '../domain/picture.ts'
import type { Clock } from '../domain/ports.ts'
import { FetchFailed, failureOfTransfer, idleFailure, tooLarge } from './failure.ts'
import { atLeastRate } from './rate.ts'
import { NotUnpacked, packingsOf, unpack } from './unpack.ts'

export type BodyTerms = {
  /** For the bytes as they come. */
  maxBytes: number
  /** How long the server was given for each chunk. */
  idleMs: number
  clock: Clock
}

/** By so many bytes a picture is known. */
const headBytes = 64
const maxPackings = 3

/** The body's bytes as they come, with the errors of the transfer as FetchFailed. What the reader of this throws is not caught here. */
async function* bodyOf(response: Dispatcher.ResponseData, terms: BodyTerms): AsyncGenerator<Uint8Array> {
  // undici's stream is typed as one of anything; without an encoding set it yields Buffers.
  const body: AsyncIterable<Uint8Array> = response.body
  const tooSlow = () =>
    void response.body.destroy(new FetchFailed('sent less than 1 kB/s for 10 s', { retryable: true, status: 200 }))
  let sizeBytes = 0
  try {
    for await (const chunk of atLeastRate(body, terms.clock, tooSlow)) {
      // What is packed may go on for ever and come to nothing.
      sizeBytes += chunk.byteLength
      if (sizeBytes > terms.maxBytes) throw tooLarge(terms.maxBytes)
      yield chunk
    }
  } catch (error) {
    throw idleFailure(error, terms.idleMs) ?? failureOfTransfer(error)
  }
}

/**
 * The bytes of a good answer's body, unpacked where it is packed. Some stores say of plain pictures that they are packed: the bytes decide.
 * @throws FetchFailed
 */
export async function* plainBodyOf(response: Dispatcher.ResponseData, terms: BodyTerms): AsyncGenerator<Uint8Array> {
  const body = bodyOf(response, terms)
  const packings = packingsOf(String(response.headers['content-encoding'] ?? ''))
  if (packings.length === 0) return yield* body
  if (packings.length > maxPackings) throw new FetchFailed('sent a body that is packed too often', { status: 200 })
  let head: Buffer = Buffer.alloc(0)
  while (head.length < headBytes) {
    const { value, done } = await body.next()
    if (done === true) break
    head = Buffer.concat([head, value])
  }
  const whole = concatenated(head, body)
  if (contentTypeOf(head).startsWith('image/')) return yield* whole
  try {
    yield* unpack(whole, packings)
  } catch (error) {
    if (!(error instanceof NotUnpacked)) throw error
    throw new FetchFailed('sent a body that is not packed as it says', { retryable: true, status: 200, cause: error })
  }
}

async function* concatenated(head: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield head
  yield* rest
}
