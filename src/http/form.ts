import type { IncomingMessage } from 'node:http'
import { Busboy, type BusboyFileStream } from '@fastify/busboy'
import { invalid, ServiceError } from '../domain/errors.ts'

export type FormHandlers = {
  text(name: string, value: string): void
  /** Reads the file to its end. */
  file(name: string, stream: BusboyFileStream, filename: string): Promise<void>
}

export type FormLimits = { maxFileBytes: number; maxTextBytes: number; maxParts: number; maxBodyBytes: number }

/** A part with a name for its file, or with a picture's type: some clients leave the name out. */
const isFile = (_name: string | undefined, type: string | undefined, filename: string | undefined): boolean =>
  filename !== undefined || /^(image\/|application\/octet-stream$)/i.test(type ?? '')

/**
 * Reads a form as it comes: of a multipart one, one part after the other, no file whole in memory; of a urlencoded one, its texts.
 * @throws ServiceError `invalid_request` where it is no form or breaks off, `payload_too_large`; and whatever a handler throws.
 */
export function readForm(request: IncomingMessage, handlers: FormHandlers, limits: FormLimits): Promise<void> {
  return new Promise((resolve, reject) => {
    let parser: InstanceType<typeof Busboy>
    try {
      // The route's content-type parser has seen that there is one.
      const headers = { ...request.headers, 'content-type': request.headers['content-type'] ?? '' }
      const { maxFileBytes: fileSize, maxTextBytes: fieldSize, maxParts: parts } = limits
      parser = new Busboy({
        headers,
        isPartAFile: isFile,
        limits: { fileSize, fieldSize, parts, fields: parts, fieldNameSize: 200 },
      })
    } catch (error) {
      return reject(noBoundary(request) ?? invalidForm(error))
    }
    const files: Promise<void>[] = []
    const streams: BusboyFileStream[] = []
    let settled = false
    let bodyBytes = 0
    let textBytes = 0

    const fail = (error: unknown): void => {
      if (settled) return
      settled = true
      request.unpipe(parser)
      request.off('data', count)
      parser.removeAllListeners('finish')
      parser.on('error', () => {})
      parser.destroy()
      // The parser does not tell its files: a handler that waits for more of its own would wait for ever.
      for (const stream of streams) stream.destroy(error instanceof Error ? error : new Error('the form broke off'))
      void Promise.allSettled(files).then(() => reject(error))
    }
    const count = (chunk: Buffer): void => {
      bodyBytes += chunk.length
      if (bodyBytes > limits.maxBodyBytes) fail(tooLarge(null, 'the request is larger than MAX_REQUEST_BYTES'))
    }

    parser.on('field', (name, value, nameTruncated, valueTruncated) => {
      textBytes += Buffer.byteLength(value)
      if (nameTruncated) fail(invalid(null, 'a field must have a name of 1 to 200 characters'))
      else if (valueTruncated || textBytes > limits.maxTextBytes)
        fail(tooLarge(name || null, `the form's texts are longer than ${limits.maxTextBytes} bytes: send pictures as files`))
      // What stands in the place of bytes that are no text: read wrongly, a prompt would be paid for.
      else if (value.includes('\ufffd')) fail(invalid(name || null, `${name} is no valid UTF-8`))
      else if (!settled) handlers.text(name ?? '', value)
    })
    parser.on('file', (name, stream, filename) => {
      // Kept from being an unhandled error where the form breaks off before its handler listens.
      stream.on('error', () => {})
      stream.once('limit', () => fail(tooLarge(name, `${name} is larger than MAX_IMAGE_BYTES (${limits.maxFileBytes} bytes)`)))
      if (settled) {
        stream.resume()
        return
      }
      streams.push(stream)
      const reading = handlers.file(name ?? '', stream, filename)
      files.push(reading)
      reading.catch(fail)
    })
    const tooMany = (): void => fail(invalid(null, `a form may have ${limits.maxParts} parts at most`))
    parser.on('partsLimit', tooMany).on('fieldsLimit', tooMany)
    parser.on('error', error => fail(invalidForm(error)))
    parser.on('finish', () => {
      Promise.all(files).then(() => {
        settled = true
        resolve()
      }, fail)
    })
    request.once('close', () => {
      if (!request.complete) fail(invalidForm(new Error('the connection was closed')))
    })
    request.on('data', count)
    request.pipe(parser)
  })
}

/** Without it nobody knows where a part ends; it is left out by who sets the header by hand. */
function noBoundary({ headers }: IncomingMessage): ServiceError | null {
  const type = headers['content-type'] ?? ''
  if (!/^multipart\//i.test(type) || /;\s*boundary=\s*[^\s;]/i.test(type)) return null
  return invalid('Content-Type', 'Content-Type names no boundary: leave this header to what makes the form, which knows it')
}

function invalidForm(cause: unknown): ServiceError {
  return new ServiceError('invalid_request', 'the body is no complete multipart form', { cause })
}

function tooLarge(param: string | null, message: string): ServiceError {
  return new ServiceError('payload_too_large', message, { param })
}
