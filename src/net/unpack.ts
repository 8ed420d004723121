import { Readable, type Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib'

const unpackers = new Map<string, () => Transform>([
  ['gzip', createGunzip],
  ['x-gzip', createGunzip],
  ['deflate', createInflate],
  ['br', createBrotliDecompress],
  ['zstd', createZstdDecompress],
])

/** A body that is not what its Content-Encoding says, or is cut short. */
export class NotUnpacked extends Error {
  override readonly name = 'NotUnpacked'
}

/**
 * How a body is packed, by its Content-Encoding: what was done last comes first. What is no packing that we know is left out:
 * `identity`, and what some stores keep in its place (`utf-8`, `aws-chunked`, `binary`, …), encode nothing.
 */
export function packingsOf(contentEncoding: string): string[] {
  const names = contentEncoding.split(',').map(name => name.trim().toLowerCase())
  return names.filter(name => unpackers.has(name)).toReversed()
}

/**
 * Unpacks a body as it comes, from each of its packings in turn.
 * @throws NotUnpacked; errors of the body come through as they are.
 */
export function unpack(body: AsyncIterable<Uint8Array>, packings: readonly string[]): AsyncIterable<Uint8Array> {
  return packings.reduce((inner, packing) => unpackOnce(inner, packing), body)
}

async function* unpackOnce(body: AsyncIterable<Uint8Array>, packing: string): AsyncGenerator<Uint8Array> {
  const unpacker = unpackers.get(packing)?.()
  if (unpacker === undefined) throw new TypeError(`not a packing: ${packing}`)
  let bodyError: unknown = null
  const source = Readable.from(body, { objectMode: false })
  source.on('error', error => {
    bodyError = error
    unpacker.destroy(error)
  })
  source.pipe(unpacker)
  try {
    yield* unpacker
  } catch (error) {
    if (error === bodyError) throw error
    throw new NotUnpacked('the body is not what its Content-Encoding says', { cause: error })
  } finally {
    source.destroy()
    unpacker.destroy()
  }
}
