import { errors } from 'undici'
import { codeOf } from '../domain/errors.ts'
import { AddressRefused, privateReason } from './guard.ts'

type FailureOptions = { retryable?: boolean; final?: boolean; status?: number; cause?: unknown }

/** A download that did not come to a file, for a reason that has to do with its URL. Nothing of it is left. */
export class FetchFailed extends Error {
  override readonly name = 'FetchFailed'
  /** Completes a sentence that begins with the URL, and is fit for a client: "answered 404". */
  readonly reason: string
  /** False where the same request, repeated now, would surely fail the same way. */
  readonly retryable: boolean
  /** True where no time will mend it: the URL may never be dialled, or what it leads to is larger than may be kept. */
  readonly final: boolean
  /** The HTTP status of the answer that is at fault; null where none is, as with a time limit. */
  readonly status: number | null

  constructor(reason: string, options: FailureOptions = {}) {
    super(`the URL ${reason}`, options.cause === undefined ? undefined : { cause: options.cause })
    this.reason = reason
    this.retryable = options.retryable ?? false
    this.final = options.final ?? false
    this.status = options.status ?? null
  }
}

/** What node and OpenSSL call a certificate that does not hold; other codes of TLS are about the handshake. */
function isCertificateCode(code: string): boolean {
  return /^CERT_|SELF_SIGNED_CERT|^UNABLE_TO_|^ERR_TLS_CERT_|^HOSTNAME_MISMATCH$/.test(code)
}

/** The failure for a server that went silent, with the time it was given; null for any other error. */
export function idleFailure(error: unknown, idleMs: number): FetchFailed | null {
  const isIdle = error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError
  return isIdle ? new FetchFailed(`sent nothing for ${idleMs / 1000} s`, { retryable: true, cause: error }) : null
}

/** The failure for an error that came before any answer. What is wrong may be mended by its owner, so most are retryable. */
export function failureOfConnection(error: unknown): FetchFailed {
  if (error instanceof FetchFailed) return error
  if (error instanceof AddressRefused) return new FetchFailed(privateReason, { cause: error })
  const code = codeOf(error)
  const retryable = { retryable: true, cause: error }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return new FetchFailed('has a host name that does not resolve', retryable)
  if (isCertificateCode(code)) return new FetchFailed('has no certificate that we trust', retryable)
  const isNotHttp = error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError
  if (isNotHttp) return new FetchFailed('answered with no valid HTTP', retryable)
  return new FetchFailed('could not be reached', retryable)
}

/** The failure for an error in the midst of a good answer's body. */
export function failureOfTransfer(error: unknown): FetchFailed {
  return error instanceof FetchFailed ? error : new FetchFailed('broke off', { retryable: true, status: 200, cause: error })
}

/** The failure for a body that has more bytes than may be taken. */
export function tooLarge(maxBytes: number): FetchFailed {
  const mb = maxBytes / 2 ** 20
  const limit = mb >= 1 ? `${Math.round(mb * 10) / 10} MB` : `${maxBytes} bytes`
  return new FetchFailed(`is larger than ${limit}`, { status: 200, final: true })
}
