import { invalid, ServiceError } from '../domain/errors.ts'
import { NotUnpacked, packingsOf, unpack } from '../net/unpack.ts'

/**
 * A body as it was before its Content-Encoding. What it names that we don't know is taken to have changed nothing.
 * @param maxPackedBytes what it may have as it comes: what is packed may go on for ever and come to nothing.
 * @throws ServiceError `invalid_request` where the body is not what the encoding says, `payload_too_large`.
 */
export function decoded(body: AsyncIterable<Buffer>, encoding: string, maxPackedBytes: number): AsyncIterable<Uint8Array> {
  const packings = packingsOf(encoding)
  return packings.length === 0 ? body : unpacked(atMost(maxPackedBytes, body), packings)
}

async function* atMost(maxBytes: number, body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let sizeBytes = 0
  for await (const chunk of body) {
    sizeBytes += chunk.length
    if (sizeBytes > maxBytes) throw new ServiceError('payload_too_large', 'the callback is larger than MAX_CALLBACK_BYTES')
    yield chunk
  }
}

async function* unpacked(body: AsyncIterable<Buffer>, packings: readonly string[]): AsyncGenerator<Uint8Array> {
  try {
    yield* unpack(body, packings)
  } catch (error) {
    if (error instanceof NotUnpacked) throw invalid('Content-Encoding', 'the body is not what its Content-Encoding says')
    throw error
  }
}
