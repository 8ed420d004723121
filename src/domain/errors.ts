/** The codes that clients may rely on, and the HTTP status each one is answered with. */
export const statusOfCode = {
  invalid_request: 400,
  canceled: 400,
  unauthorized: 401,
  payment_required: 402,
  forbidden: 403,
  not_found: 404,
  request_timeout: 408,
  conflict: 409,
  payload_too_large: 413,
  unsupported_media_type: 415,
  idempotency_mismatch: 422,
  expired: 424,
  rate_limited: 429,
  internal_error: 500,
  bad_gateway: 502,
  unavailable: 503,
  timeout: 504,
  storage_full: 507,
} as const

export type ErrorCode = keyof typeof statusOfCode

/** The field `type` of an error: the families that OpenAI's SDKs know. */
export const errorTypes = [
  'invalid_request_error',
  'authentication_error',
  'permission_error',
  'not_found_error',
  'rate_limit_error',
  'api_error',
] as const
export type ErrorType = (typeof errorTypes)[number]

function typeOfStatus(status: number): ErrorType {
  if (status === 401) return 'authentication_error'
  if (status === 402 || status === 403) return 'permission_error'
  if (status === 404) return 'not_found_error'
  if (status === 429) return 'rate_limit_error'
  return status < 500 ? 'invalid_request_error' : 'api_error'
}

export type ServiceErrorOptions = {
  /** The request's field that is wrong, as the client named it. */
  param?: string | null
  cause?: unknown
  /** Seconds after which asking again makes sense: sent as `Retry-After`. */
  retryAfterS?: number
}

/** An error that a client is meant to see: its message names nothing internal. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError'
  readonly code: ErrorCode
  readonly status: number
  readonly type: ErrorType
  readonly param: string | null
  readonly retryAfterS: number | null

  constructor(code: ErrorCode, message: string, options: ServiceErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.status = statusOfCode[code]
    this.type = typeOfStatus(this.status)
    this.param = options.param ?? null
    this.retryAfterS = options.retryAfterS ?? null
  }
}

/** A 400 that names the field and says what would be right. */
export function invalid(param: string | null, message: string): ServiceError {
  return new ServiceError('invalid_request', message, { param })
}

/** The code that the operating system, Node or SQLite gave an error, or an empty text. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** What node reports when the disk or the quota is full. */
export function isDiskFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'SQLITE_FULL'].includes(codeOf(error))
}

/** The system's own limits, and disks that fail: of files, for the network has errors of its own. */
const machineCodes = ['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EAGAIN', 'EINTR', 'EIO', 'EROFS', 'ESTALE']

/** Whether our machine is short of something, or its disk fails: the request is not at fault, and may go well later. */
export function isMachineTrouble(error: unknown): boolean {
  return machineCodes.includes(codeOf(error)) || /^SQLITE_(BUSY|CANTOPEN|IOERR|NOMEM)/.test(codeOf(error))
}
