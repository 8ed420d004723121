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
 * @throws ServiceError `invalid_request` where the body is not what the encoding says.
 */
export function decoded(body: AsyncIterable<Buffer>, encoding: string | undefined): AsyncIterable<Buffer> {
  const make = decoders[(encoding ?? '').trim().toLowerCase()]
  return make === undefined ? body : unpack(body, make())
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
