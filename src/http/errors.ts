import type { FastifyReply, FastifyRequest } from 'fastify'
import { isDiskFull, isMachineTrouble, ServiceError } from '../domain/errors.ts'
import type { Log } from '../domain/ports.ts'

export type ErrorBody = {
  error: { code: string; message: string; type: string; param: string | null }
  request_id: string
}

export function errorBody(error: ServiceError, requestId: string): ErrorBody {
  const { code, message, type, param } = error
  return { error: { code, message, type, param }, request_id: requestId }
}

/** What fastify and node say of a request, in our words. Their own texts are for developers of servers, not of clients. */
function fromFastify(error: Error & { code?: string; statusCode?: number }): ServiceError | null {
  switch (error.code ?? '') {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_EMPTY_TYPE':
      return new ServiceError(
        'unsupported_media_type',
        'send the request as application/json, multipart/form-data or application/x-www-form-urlencoded',
        {
          cause: error,
        },
      )
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new ServiceError('payload_too_large', 'the request is larger than MAX_REQUEST_BYTES', { cause: error })
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new ServiceError('invalid_request', 'the body does not have the length that Content-Length says', { cause: error })
    case 'FST_ERR_BAD_URL':
      return new ServiceError('invalid_request', 'the path is not a valid URL path', { cause: error })
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new ServiceError('not_found', 'there is nothing of that name', { cause: error })
    default:
      break
  }
  const { statusCode } = error
  if (statusCode === undefined || statusCode < 400 || statusCode >= 500) return null
  return new ServiceError('invalid_request', 'the request could not be read', { cause: error })
}

/** What the machine says. */
function fromMachine(error: Error): ServiceError | null {
  if (isDiskFull(error))
    return new ServiceError('storage_full', 'the disk is full: nothing was kept of this request', { cause: error })
  if (isMachineTrouble(error))
    return new ServiceError('unavailable', 'this machine cannot do it at the moment: ask again', { cause: error, retryAfterS: 5 })
  return null
}

/** `error`: whatever was thrown, be it no error at all. */
export function toServiceError(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error
  const known = error instanceof Error ? (fromMachine(error) ?? fromFastify(error)) : null
  return (
    known ?? new ServiceError('internal_error', 'something went wrong here; the request_id helps us to find it', { cause: error })
  )
}

/** What was said of the file or page that could not be sent in the end. Of an error it would be wrong, and be kept in caches. */
const ofAnotherBody = [
  'content-type',
  'content-disposition',
  'content-length',
  'content-range',
  'accept-ranges',
  'etag',
  'last-modified',
  'cache-control',
]

/** Takes headers back, those too that fastify has handed on already because the body is a stream. */
function takeBack(reply: FastifyReply): void {
  if (reply.raw.headersSent) return
  for (const name of ofAnotherBody) {
    void reply.removeHeader(name)
    reply.raw.removeHeader(name)
  }
}

/** Answers an error in the one shape that all errors have. */
export function makeErrorHandler(log: Log) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const told = toServiceError(error)
    if (told.status >= 500) log.error({ err: error, request_id: request.id, route: request.routeOptions.url }, 'request.failed')
    takeBack(reply)
    if (told.retryAfterS !== null) void reply.header('retry-after', Math.ceil(told.retryAfterS))
    if (told.code === 'unauthorized') void reply.header('www-authenticate', 'Bearer')
    return reply.code(told.status).send(errorBody(told, request.id))
  }
}

/** What is answered to bytes that are no HTTP request. */
export function badRequestText(requestId: string, status: 400 | 408 | 431): string {
  const told =
    status === 408
      ? new ServiceError('request_timeout', 'the request came too slowly')
      : new ServiceError('invalid_request', status === 431 ? 'the headers are too large' : 'this is not a valid HTTP request')
  const body = JSON.stringify(errorBody(told, requestId))
  const reason = status === 408 ? 'Request Timeout' : status === 431 ? 'Request Header Fields Too Large' : 'Bad Request'
  return [
    `HTTP/1.1 ${status} ${reason}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'x-content-type-options: nosniff',
    'connection: close',
    '',
    body,
  ].join('\r\n')
}
