import type { ProviderError, Result, TaskRecord } from './result.ts'

/** One picture of a submit: by URL, or as a file of so many bytes. */
export type SubmitInput =
  | { role: 'image' | 'mask'; kind: 'url'; url: string }
  | { role: 'image' | 'mask'; kind: 'file'; path: string; sizeBytes: number; contentType: string }

/** All that one submit sends. */
export type SubmitOrder = {
  jobId: string
  model: string
  prompt: string
  params: Readonly<Record<string, unknown>>
  /** null: not sent. */
  n: number | null
  body: 'json' | 'multipart'
  inputs: readonly SubmitInput[]
  /** null: no callback can reach us, and the result is asked for. */
  callbackUrl: string | null
  /** What the provider's records know it by: the client's own, or one that only this task has. */
  traceId: string
}

/** What is known of a submit after it left, or did not. */
export type SubmitOutcome =
  /** `error`: what it said all the same, under a status that is no success. */
  | { kind: 'accepted'; taskId: string; traceId: string | null; error?: ProviderError }
  /** The answer itself was the result, good or bad. Its files are in the job's folder, and the caller's. */
  | { kind: 'finished'; result: Result }
  /** Not accepted, and never will be. */
  | { kind: 'refused'; status: number; error: ProviderError }
  /** Certainly not accepted: nothing left, or the provider said so. */
  | {
      kind: 'not_sent'
      reason: 'unreachable' | 'rate_limited' | 'server_error'
      retryAfterMs: number | null
      error: ProviderError
    }
  /** It left, and nobody knows: it may be running, and billed. `error`: what the provider said of it, if anything. */
  | { kind: 'unconfirmed'; reason: string; error?: ProviderError }

/** About our key or our balance, whatever HTTP status they come with. */
const accountCodes: ReadonlySet<string> = new Set(['used_up', 'disabled', 'invalid_token', 'token_expired', 'no_token'])

/** Whether a refusal is about the account, and would meet every job alike. */
export function refusesAccount(status: number, code: string): boolean {
  return status === 401 || accountCodes.has(code)
}

/** What the provider said against a submit, whatever became of it; null where it said nothing. */
export function errorOf(outcome: SubmitOutcome): ProviderError | null {
  if (outcome.kind !== 'finished') return outcome.error ?? null
  return outcome.result.kind === 'failed' ? outcome.result.error : null
}

export type SubmitAttempt = {
  /** Resolves when the last byte has left; never rejects, and never resolves where that does not happen. */
  sent: Promise<void>
  /** Never rejects for what a network or a provider does. */
  outcome: Promise<SubmitOutcome>
}

export type RecordsQuery =
  | { taskIds: readonly string[] }
  | { traceIds: readonly string[]; offset: number; limit: number }
  | { createdFromS: number; createdToS: number; offset: number; limit: number }

/** Where pictures lie that came in a record, until it is known whose they are. */
export const recordsFolder = 'records'

export interface Provider {
  /** Sends one submit, once. The signal gives up listening for its answer. */
  submit(order: SubmitOrder, signal: AbortSignal): SubmitAttempt
  /**
   * Asks for records of tasks; free of charge. Only those asked for by their ids come with results: pictures in them lie in the
   * folder `recordsFolder` and are the caller's to move.
   * @throws Error where it can't be reached or does not answer with records.
   */
  records(query: RecordsQuery, signal: AbortSignal): Promise<TaskRecord[]>
  close(): Promise<void>
}
