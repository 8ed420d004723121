import { once } from 'node:events'
import { PassThrough, type Readable } from 'node:stream'
import type { FileSink, StoredFile } from '../domain/ports.ts'
import { contentTypeOf } from '../files/picture.ts'
import type { Fetcher } from '../net/fetch.ts'

const timeoutMs = 120_000

/**
 * Opens a URL as a stream, by the same checks and bounds as a download. Resolves when its first bytes are there.
 * @throws FetchFailed where they never come; an error after that breaks the stream off.
 */
export function openThrough(fetcher: Fetcher, url: string, maxBytes: number): Promise<{ contentType: string; stream: Readable }> {
  const stream = new PassThrough()
  const gone = new AbortController()
  stream.once('close', () => gone.abort())
  return new Promise((resolve, reject) => {
    /** Writes to whoever reads, and waits where they are slow. */
    const sink: FileSink = {
      write(chunk) {
        resolve({ contentType: contentTypeOf(chunk), stream })
        return stream.write(chunk) || stream.destroyed ? undefined : once(stream, 'drain').then(() => {})
      },
      async finish(): Promise<StoredFile> {
        stream.end()
        // Nothing is stored; the fetcher hands on what it is given.
        return { name: '', sizeBytes: 0, sha256: '', contentType: '', width: null, height: null }
      },
      async discard() {
        stream.destroy()
      },
    }
    fetcher
      .fetchToFile(url, () => sink, { maxBytes, timeoutMs, signal: gone.signal })
      .catch((error: unknown) => {
        stream.destroy()
        reject(error)
      })
  })
}
