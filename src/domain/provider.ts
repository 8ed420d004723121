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
}

/** What is known of a submit after it left, or did not. */
export type SubmitOutcome =
  | { kind: 'accepted'; taskId: string; traceId: string | null }
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
  /** It left, and nobody knows: it may be running, and billed. */
  | { kind: 'unconfirmed'; reason: string }

/** Whether a refusal is about the account, and would meet every job alike. */
export function refusesAccount(status: number, code: string): boolean {
  return status === 401 || code === 'used_up' || code === 'disabled'
}

export type SubmitAttempt = {
  /** Resolves when the last byte has left; never rejects, and never resolves where that does not happen. */
  sent: Promise<void>
  /** Never rejects for what a network or a provider does. */
  outcome: Promise<SubmitOutcome>
}

export type RecordsQuery =
  | { taskIds: readonly string[] }
  | { createdFromS: number; createdToS: number; offset: number; limit: number }

/** Where pictures lie that came in a record, until it is known whose they are. */
export const recordsFolder = 'records'

export interface Provider {
  /** Sends one submit, once. The signal gives up listening for its answer. */
  submit(order: SubmitOrder, signal: AbortSignal): SubmitAttempt
  /**
   * Asks for records of tasks; free of charge. Pictures in them lie in the folder `recordsFolder` and are the caller's to move.
   * @throws Error where it can't be reached or does not answer with records.
   */
  records(query: RecordsQuery, signal: AbortSignal): Promise<TaskRecord[]>
  close(): Promise<void>
}
