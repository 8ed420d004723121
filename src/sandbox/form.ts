import type { IncomingMessage } from 'node:http'
import { Busboy, type BusboyFileStream } from '@fastify/busboy'

export type FormFile = { readonly stream: BusboyFileStream; readonly filename: string; readonly contentType: string }

export type FormHandlers = {
  readonly text: (name: string, value: string) => void
  /** Reads the file to its end. */
  readonly file: (name: string, file: FormFile) => Promise<void>
}

export type FormLimits = {
  /** A longer file is cut off, and its stream says so. */
  readonly fileSize: number
  readonly fieldSize: number
  readonly files: number
  readonly fields: number
}

/**
 * Reads a form, one part after the other, as it comes. Settles when nothing of it is under way any more.
 * @throws Error where it is none, breaks off, or has too many parts; and whatever a handler throws.
 */
export function readForm(request: IncomingMessage, handlers: FormHandlers, limits: FormLimits): Promise<void> {
  return new Promise((resolve, reject) => {
    const parser = new Busboy({ headers: { ...request.headers, 'content-type': request.headers['content-type'] ?? '' }, limits })
    const streams: BusboyFileStream[] = []
    const reading: Promise<void>[] = []
    const fail = (error: unknown): void => {
      // What is left of the body is let through, so that an answer can be sent.
      request.unpipe(parser)
      request.resume()
      parser.removeAllListeners()
      parser.on('error', () => {}).destroy()
      // The parser does not tell its files.
      for (const stream of streams) stream.destroy(new Error('the form broke off'))
      void Promise.allSettled(reading).then(() => reject(error))
    }
    parser.on('field', (name, value) => handlers.text(name ?? '', value))
    parser.on('file', (name, stream, filename, _encoding, contentType) => {
      streams.push(stream.on('error', () => {}))
      const file = handlers.file(name ?? '', { stream, filename, contentType })
      reading.push(file)
      file.catch(fail)
    })
    parser.on('filesLimit', () => fail(new Error(`a form may have ${limits.files} files at most`)))
    parser.on('fieldsLimit', () => fail(new Error(`a form may have ${limits.fields} fields at most`)))
    parser.on('error', fail)
    parser.on('finish', () => void Promise.all(reading).then(() => resolve(), fail))
    request.once('close', () => {
      if (!request.complete) fail(new Error('the form broke off'))
    })
    request.pipe(parser)
  })
}
