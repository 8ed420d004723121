import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type Dispatcher, interceptors, request } from 'undici'
import { createGate } from './gate.ts'
import { type Input, maxImageBytes } from './receive.ts'

const downloadTimeoutMs = 10_000
const maxRedirections = 3

/**
 * Makes the function that brings an input onto the disk and answers with its path: 8 at once, 50 MB and 10 s each.
 * It rejects where the URL is none, or does not answer 200.
 */
export function createInputReader(
  dispatcher: Dispatcher,
  closing: AbortSignal,
): (input: Input, folder: string) => Promise<string> {
  const downloadInTurn = createGate(8)
  const following = dispatcher.compose(interceptors.redirect({ maxRedirections }))

  async function download(url: string, path: string): Promise<void> {
    const signal = AbortSignal.any([closing, AbortSignal.timeout(downloadTimeoutMs)])
    const { statusCode, body } = await request(url, { dispatcher: following, signal })
    if (statusCode !== 200) {
      await body.dump()
      throw new Error(`the image URL answered ${statusCode}`)
    }
    await pipeline(body, atMost(maxImageBytes), createWriteStream(path), { signal })
  }

  return async (input, folder) => {
    if (input.kind === 'file') return input.path
    const path = join(folder, randomUUID())
    await downloadInTurn(() => download(input.url, path))
    return path
  }
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
