import { Readable, type Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { invalid, ServiceError } from '../domain/errors.ts'

const decoders: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
}

/**
 * A body as it was before its Content-Encoding. One that names none that we know is taken as it is.
 * @param maxPackedBytes what it may have as it comes: what is packed may go on for ever and come to nothing.
 * @throws ServiceError `invalid_request` where the body is not what the encoding says, `payload_too_large`.
 */
export function decoded(
  body: AsyncIterable<Buffer>,
  encoding: string | undefined,
  maxPackedBytes: number,
): AsyncIterable<Buffer> {
  const make = decoders[(encoding ?? '').trim().toLowerCase()]
  return make === undefined ? body : unpack(atMost(maxPackedBytes, body), make())
}

async function* atMost(maxBytes: number, body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let sizeBytes = 0
  for await (const chunk of body) {
    sizeBytes += chunk.length
    if (sizeBytes > maxBytes) throw new ServiceError('payload_too_large', 'the callback is larger than MAX_CALLBACK_BYTES')
    yield chunk
  }
}

async function* unpack(body: AsyncIterable<Buffer>, decoder: Transform): AsyncGenerator<Buffer> {
  const source = Readable.from(body, { objectMode: false })
  source.on('error', error => decoder.destroy(error))
  source.pipe(decoder)
  try {
    yield* decoder
  } catch (error) {
    if (error instanceof ServiceError) throw error
    throw invalid('Content-Encoding', 'the body is not what its Content-Encoding says')
  } finally {
    source.destroy()
    decoder.destroy()
  }
}
