import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { giveBack } from '../domain/chunks.ts'
import { ServiceError } from '../domain/errors.ts'

/** Leaves the body to the route, as the stream it is. */
const passThrough = (_request: unknown, payload: unknown, done: (error: null, body: unknown) => void): void => done(null, payload)

/** A body of up to this many bytes is handed on in one piece. */
const smallBodyBytes = 65_536

function brokeOff(cause: unknown): ServiceError {
  return new ServiceError('invalid_request', 'the body broke off', { cause })
}

/**
 * A request's body as it comes. Its connection is left open on an error: an answer is still to be sent on it.
 * @throws ServiceError `invalid_request` where the connection is lost before the body's end.
 */
export async function* bodyOf(request: FastifyRequest): AsyncGenerator<Buffer> {
  const body: AsyncIterable<Buffer> = request.raw.iterator({ destroyOnReturn: false })
  try {
    yield* body
  } catch (error) {
    // The only other end of this stream is the network.
    throw brokeOff(error)
  }
}

/** As above, for a reader that is through with each chunk when it asks for the next: its memory is given back then. */
export async function* passingBodyOf(request: FastifyRequest): AsyncGenerator<Buffer> {
  for await (const chunk of bodyOf(request)) {
    yield chunk
    giveBack(chunk)
  }
}

/**
 * The whole of a small body: a stream's own iterator costs more than all the rest of taking one. null: it is not small, or does
 * not say how long it is.
 * @throws ServiceError as above.
 */
export function smallBodyOf(request: FastifyRequest): Promise<Buffer> | null {
  const declared = Number(request.headers['content-length'] ?? Number.NaN)
  return declared <= smallBodyBytes ? wholeBody(request.raw) : null
}

function wholeBody(raw: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const received: Buffer[] = []
    if (raw.destroyed && !raw.complete) reject(brokeOff(raw.errored))
    raw.on('data', (chunk: Buffer) => received.push(chunk))
    raw.on('end', () => {
      const [first = Buffer.alloc(0)] = received
      resolve(received.length === 1 ? first : Buffer.concat(received))
    })
    raw.on('error', error => reject(brokeOff(error)))
    raw.on('close', () => {
      if (!raw.complete) reject(brokeOff(null))
    })
  })
}

/** JSON and forms are read by the routes themselves, as streams; everything else is refused with 415. */
export function streamBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(['application/json', 'multipart/form-data', 'application/x-www-form-urlencoded'], passThrough)
}

/**
 * Takes any body with any Content-Type, or none. The header is replaced before anything looks at it: one that is no media type
 * at all would be refused.
 */
export function takeAnyBody(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('application/octet-stream', passThrough)
  scope.addHook('onRequest', (request, _reply, done) => {
    request.raw.headers['content-type'] = 'application/octet-stream'
    done()
  })
}

/** Answers whatever the body holds. */
export function ignoreBodies(scope: FastifyInstance): void {
  takeAnyBody(scope)
  scope.addHook('preHandler', async request => {
    request.raw.resume()
  })
}
