import { PassThrough, type Readable } from 'node:stream'
import { contentTypeOf, textType, typeHeadBytes } from '../domain/picture.ts'
import type { FileSink, StoredFile } from '../domain/ports.ts'
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

/** Writes to whoever reads, and waits where they are slow. `begin` is told the type by the first bytes, before any of them is written. */
function sinkInto(stream: PassThrough, begin: (contentType: string) => void): FileSink {
  let head: Buffer = Buffer.alloc(0)
  let hasBegun = false
  const send = (chunk: Uint8Array): Promise<void> | undefined => (stream.write(chunk) ? undefined : whenRead(stream))
  const sendHead = (): Promise<void> | undefined => {
    const contentType = contentTypeOf(head)
    if (head.length === 0) throw new FetchFailed('answered with nothing', { retryable: true, status: 200 })
    if (contentType === textType)
      throw new FetchFailed('answered with a text in the place of a picture', { retryable: true, status: 200 })
    hasBegun = true
    begin(contentType)
    return send(head)
  }
  return {
    write(chunk) {
      // Copied: the chunk is the caller's again, and what lies in the stream waits to be read.
      if (hasBegun) return send(Buffer.from(chunk))
      head = Buffer.concat([head, chunk])
      const isKnown = head.length >= typeHeadBytes || contentTypeOf(head).startsWith('image/')
      return isKnown ? sendHead() : undefined
    },
    async finish(): Promise<StoredFile> {
      if (!hasBegun) await sendHead()
      stream.end()
      // Nothing is stored; the fetcher hands on what it is given.
      return { name: '', sizeBytes: 0, sha256: '', contentType: '', width: null, height: null }
    },
    async discard() {
      stream.destroy()
    },
  }
}

/**
 * Opens a picture's URL as a stream, by the same checks and bounds as a download. Resolves when its first bytes are there, and are
 * those of a picture.
 * @throws FetchFailed where they never come, or are a text; an error after that breaks the stream off.
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
    const sink = sinkInto(stream, contentType => resolve({ contentType, stream }))
    fetcher
      .fetchToFile(url, () => sink, { maxBytes, timeoutMs, signal: gone.signal })
      // Too late to matter where the first bytes were there.
      .catch((error: unknown) => {
        stream.destroy()
        reject(error)
      })
      .finally(() => reader?.removeEventListener('abort', leave))
  })
}
