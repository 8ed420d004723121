import type { TaskEvent, TaskState } from '../../src/domain/job.ts'
import type { ProviderError } from '../../src/domain/result.ts'

/** A task that nobody has claimed yet. */
export const newTask: TaskState = {
  status: 'queued',
  attempts: 0,
  charge: 'none',
  providerTaskId: null,
  traceId: null,
  source: null,
  submittedAt: null,
  completedAt: null,
  error: null,
  lateResultAt: null,
  usage: null,
  costMicroCredits: null,
  recordType: null,
}

export const apiError: ProviderError = { code: 'api_error', message: 'fetch failed', traceId: 'trace-of-error' }

/** One event of each type, with something in every field. */
export const events: { readonly [E in TaskEvent['type']]: Extract<TaskEvent, { type: E }> } = {
  claimed: { type: 'claimed' },
  accepted: { type: 'accepted', taskId: 'p-accepted', traceId: 'trace-accepted' },
  not_sent: { type: 'not_sent' },
  refused: { type: 'refused', error: apiError },
  unconfirmed: { type: 'unconfirmed' },
  succeeded: { type: 'succeeded', source: 'callback', taskId: 'p-succeeded', traceId: 'trace-succeeded' },
  failed: { type: 'failed', source: 'poll', taskId: 'p-failed', traceId: 'trace-failed', error: apiError },
  canceled: { type: 'canceled' },
  expired: { type: 'expired' },
}
