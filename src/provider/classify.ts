import type { SubmitOutcome } from '../domain/provider.ts'
import { type FileLookup, type ProviderError, parseAccepted, parseError, parseResult } from '../domain/result.ts'

/** What the provider answered to a submit. `body` is undefined where it was no JSON, or could not be read to its end. */
export type Answer = { status: number; retryAfterMs: number | null; body: unknown; fileOf: FileLookup }

/** Sorts an answer to a submit: what it means for whether the task was accepted, and billed. */
export function classifyAnswer(answer: Answer): SubmitOutcome {
  const { status, body } = answer
  if (status >= 200 && status < 300) return classifySuccess(answer)
  if (status >= 300 && status < 400) {
    const message = `the provider's address answers with a redirect (HTTP ${status}): check PROVIDER_BASE_URL and PROVIDER_EDITS_PATH`
    return { kind: 'refused', status, error: { code: 'redirected', message, traceId: null, status } }
  }
  const told = parseError(body)
  if (status === 429) {
    const error = told ?? ownError('rate_limited', 'the provider asks to wait')
    return { kind: 'not_sent', reason: 'rate_limited', retryAfterMs: answer.retryAfterMs, error }
  }
  if (told !== null && status === 500)
    return { kind: 'not_sent', reason: 'server_error', retryAfterMs: answer.retryAfterMs, error: told }
  if (status >= 400 && status < 500 && status !== 408) {
    const error = told ?? errorInOtherWords(status, body)
    if (error !== null) return { kind: 'refused', status, error: { ...error, status } }
  }
  return { kind: 'unconfirmed', reason: `HTTP ${status}${told === null ? ' without the provider’s JSON' : ` ${told.code}`}` }
}

function classifySuccess({ status, body, fileOf }: Answer): SubmitOutcome {
  const result = parseResult(body, fileOf)
  if (result !== null) return { kind: 'finished', result }
  const accepted = parseAccepted(body)
  if (accepted !== null) return accepted
  return { kind: 'unconfirmed', reason: `HTTP ${status} with neither a task_id nor a result` }
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

/** What a gateway before the provider says, whose JSON has another shape; null where there is no JSON. */
function errorInOtherWords(status: number, body: unknown): ProviderError | null {
  if (typeof body !== 'object' || body === null) return null
  const words = 'message' in body ? body.message : 'detail' in body ? body.detail : null
  const message =
    typeof words === 'string' && words !== '' ? words.slice(0, maxWordsLength) : `the provider answered HTTP ${status}`
  return ownError('provider_error', message)
}

const maxWordsLength = 2_000

function ownError(code: string, message: string): ProviderError {
  return { code, message, traceId: null }
}
