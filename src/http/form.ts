import type { IncomingMessage } from 'node:http'
import { Busboy, type BusboyFileStream } from '@fastify/busboy'
import { invalid, ServiceError } from '../domain/errors.ts'

export type FormHandlers = {
  text(name: string, value: string): void
  /** Reads the file to its end. */
  file(name: string, stream: BusboyFileStream, filename: string): Promise<void>
}

export type FormLimits = { maxFileBytes: number; maxTextBytes: number; maxParts: number; maxBodyBytes: number }

/**
 * Reads a multipart form as it comes: one part after the other, none of them whole in memory.
 * @throws ServiceError `invalid_request` where it is no form or breaks off, `payload_too_large`; and whatever a handler throws.
 */
export function readForm(request: IncomingMessage, handlers: FormHandlers, limits: FormLimits): Promise<void> {
  return new Promise((resolve, reject) => {
    let parser: InstanceType<typeof Busboy>
    try {
      // The route's content-type parser has seen that there is one.
      const headers = { ...request.headers, 'content-type': request.headers['content-type'] ?? '' }
      const { maxFileBytes: fileSize, maxTextBytes: fieldSize, maxParts: parts } = limits
      parser = new Busboy({ headers, limits: { fileSize, fieldSize, parts, fieldNameSize: 200 } })
    } catch (error) {
      return reject(invalidForm(error))
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
    parser.on('partsLimit', () => fail(invalid(null, `a form may have ${limits.maxParts} parts at most`)))
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

function invalidForm(cause: unknown): ServiceError {
  return new ServiceError('invalid_request', 'the body is no complete multipart form', { cause })
}

function tooLarge(param: string | null, message: string): ServiceError {
  return new ServiceError('payload_too_large', message, { param })
}
