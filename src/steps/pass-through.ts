import { PassThrough, type Readable } from 'node:stream'
import type { FileSink, StoredFile } from '../domain/ports.ts'
import { contentTypeOf } from '../files/picture.ts'
import { FetchFailed } from '../net/failure.ts'
import type { Fetcher } from '../net/fetch.ts'

const timeoutMs = 120_000

/** Resolves when there is room for more, or nobody reads any more. */
function whenRead(stream: PassThrough): Promise<void> {
  if (stream.destroyed) return Promise.resolve()
  return new Promise(resolve => {
    const done = (): void => {
      stream.off('drain', done).off('close', done)
      resolve()
    }
    stream.on('drain', done).on('close', done)
  })
}

/**
 * Opens a URL as a stream, by the same checks and bounds as a download. Resolves when its first bytes are there.
 * @throws FetchFailed where they never come; an error after that breaks the stream off.
 */
export function openThrough(
  fetcher: Fetcher,
  url: string,
  maxBytes: number,
  reader?: AbortSignal,
): Promise<{ contentType: string; stream: Readable }> {
  const stream = new PassThrough()
  const gone = new AbortController()
  stream.once('close', () => gone.abort())
  const leave = (): void => void stream.destroy()
  if (reader?.aborted === true) leave()
  reader?.addEventListener('abort', leave, { once: true })
  return new Promise((resolve, reject) => {
    /** Writes to whoever reads, and waits where they are slow. */
    const sink: FileSink = {
      write(chunk) {
        resolve({ contentType: contentTypeOf(chunk), stream })
        return stream.write(chunk) ? undefined : whenRead(stream)
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
      // Too late to matter where the first bytes were there.
      .then(() => reject(new FetchFailed('answered with nothing', { retryable: true })))
      .catch((error: unknown) => {
        stream.destroy()
        reject(error)
      })
      .finally(() => reader?.removeEventListener('abort', leave))
  })
}
