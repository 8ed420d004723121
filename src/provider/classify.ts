import { tooLargeWords } from '../domain/body-size.ts'
import { refusesAccount, type SubmitOutcome } from '../domain/provider.ts'
import { type FileLookup, holdsPictures, type ProviderError, parseAccepted, parseError, parseResult } from '../domain/result.ts'

/** What the provider answered to a submit. `body` is undefined where it was no JSON, or `isWhole` says that it could not be read. */
export type Answer = { status: number; retryAfterMs: number | null; body: unknown; isWhole: boolean; fileOf: FileLookup }

/**
 * Sorts an answer to a submit: what it means for whether the task was accepted, and billed.
 * @param sentBytes how long the submit's body was.
 */
export function classifyAnswer(answer: Answer, sentBytes: number): SubmitOutcome {
  const { status, retryAfterMs, body } = answer
  const isSuccess = status >= 200 && status < 300
  const result = parseResult(body, answer.fileOf)
  if (result !== null && (isSuccess || result.kind === 'succeeded')) return { kind: 'finished', result }
  // Whatever the status: a task that has an id was taken, and would be made, and paid for, a second time.
  const accepted = parseAccepted(body)
  const told = errorIn(status, body)
  if (accepted !== null) return isSuccess || told === null ? accepted : { ...accepted, error: told }
  if (isSuccess) return { kind: 'unconfirmed', reason: `HTTP ${status} with neither a task_id nor a result` }
  if (holdsPictures(body, answer.fileOf))
    return {
      kind: 'unconfirmed',
      reason: `HTTP ${status} with a result that cannot be used`,
      ...(told === null ? {} : { error: told }),
    }
  if (status >= 300 && status < 400) {
    const message = `the provider's address answers with a redirect (HTTP ${status}): check PROVIDER_BASE_URL and PROVIDER_EDITS_PATH`
    return { kind: 'refused', status, error: { code: 'redirected', message, traceId: null, status } }
  }
  if (status === 413) return { kind: 'refused', status, error: tooLarge(told, sentBytes) }
  // What was not read may name the task.
  if (status === 429 && !answer.isWhole) return { kind: 'unconfirmed', reason: 'HTTP 429, whose body could not be read' }
  const isKnownRefusal = status === 429 || (status === 500 && parseError(body) !== null)
  if (isKnownRefusal && !(told !== null && refusesAccount(status, told.code))) {
    const error = told ?? { ...ownError('rate_limited', 'the provider asks to wait'), status }
    return { kind: 'not_sent', reason: status === 429 ? 'rate_limited' : 'server_error', retryAfterMs, error }
  }
  const isFinal = isKnownRefusal || (status >= 400 && status < 500 && status !== 408)
  if (isFinal && told !== null) return { kind: 'refused', status, error: told }
  if (told === null) return { kind: 'unconfirmed', reason: `HTTP ${status} without the provider’s JSON` }
  return { kind: 'unconfirmed', reason: `HTTP ${status} ${told.code}`, error: told }
}

/** Sorts what kept a submit from being answered. `left`: its first byte may have reached the provider. */
export function classifyFailure(error: unknown, left: boolean): SubmitOutcome {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown'
  if (left) return { kind: 'unconfirmed', reason: `no answer: ${code}` }
  return {
    kind: 'not_sent',
    reason: 'unreachable',
    retryAfterMs: null,
    error: ownError('provider_unreachable', `the provider could not be reached (${code})`),
  }
}

/** What an answer says against a submit, in any words; null where it has no JSON. */
function errorIn(status: number, body: unknown): ProviderError | null {
  const error = parseError(body) ?? errorInOtherWords(status, body)
  return error === null ? null : { ...error, status }
}

/** What a gateway before the provider says, whose JSON has another shape; null where there is no JSON. */
function errorInOtherWords(status: number, body: unknown): ProviderError | null {
  if (typeof body !== 'object' || body === null) return null
  const traceId = 'trace_id' in body ? body.trace_id : null
  // The provider's own code and message, but for the frame around them.
  return (
    parseError({ error: body, trace_id: traceId }) ??
    parseError({ error: 'detail' in body ? body.detail : null }) ??
    ownError('provider_error', `the provider answered HTTP ${status}`)
  )
}

/** Final: the same request is never taken. */
function tooLarge(told: ProviderError | null, sentBytes: number): ProviderError {
  const { code, traceId } = told ?? ownError('payload_too_large', '')
  const words = tooLargeWords(sentBytes)
  return { code, message: told === null ? words : `${told.message}: ${words}`, traceId, status: 413 }
}

function ownError(code: string, message: string): ProviderError {
  return { code, message, traceId: null }
}
