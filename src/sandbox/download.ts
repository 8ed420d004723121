import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { Agent, interceptors, request } from 'undici'
import type { FetchPicture } from './inputs.ts'

const maxRedirections = 3
/** Without keep-alive: nothing is left open that would have to be closed. */
const following = new Agent({ pipelining: 0 }).compose(interceptors.redirect({ maxRedirections }))

/**
 * Fetches pictures from everywhere, private addresses too: for a sandbox that runs alone, on its developer's machine. A service
 * that others can reach hands over a fetcher of its own.
 */
export const downloadFromAnywhere: FetchPicture = async (url, path, { maxBytes, signal }) => {
  const { statusCode, body } = await request(url, { dispatcher: following, signal })
  if (statusCode !== 200) {
    await body.dump()
    throw new Error(`the image URL answered ${statusCode}`)
  }
  await pipeline(body, atMost(maxBytes), createWriteStream(path), { signal })
}

function atMost(limitBytes: number) {
  return async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
    let bytes = 0
    for await (const chunk of chunks) {
      bytes += chunk.length
      if (bytes > limitBytes) throw new Error(`the image has more than ${limitBytes} bytes`)
      yield chunk
    }
  }
}
