import type { SubmitOutcome } from '../domain/provider.ts'
import type { ProviderError } from '../domain/result.ts'
import { maxServerErrors, submitRetryAt } from '../domain/retry.ts'
import type { Attempt, AttemptDeps } from './attempt.ts'
import { discardUnnamed, filesOf } from './leftovers.ts'

type RecorderDeps = Omit<AttemptDeps, 'provider' | 'callbackUrl' | 'traceId' | 'submitTimeoutMs'>

/** Makes what writes down how a submit ended. `keep` runs a write until it is kept. */
export function makeRecorder(
  deps: RecorderDeps,
  keep: <T>(write: () => Promise<T>) => Promise<T>,
  onOutcome: (taskId: number, outcome: SubmitOutcome) => void,
) {
  const { store, clock, log, meter } = deps

  async function notSent(attempt: Attempt, outcome: Extract<SubmitOutcome, { kind: 'not_sent' }>): Promise<void> {
    const { task, job } = attempt
    const { taskId } = task
    const now = clock.now()
    const serverError = outcome.reason === 'server_error'
    const failures = (job.tasks.find(one => one.id === taskId)?.serverErrors ?? 0) + (serverError ? 1 : 0)
    // What was once unconfirmed is never submitted again, and what the provider cannot do six times it will not do.
    if (attempt.givenUp || failures >= maxServerErrors) {
      await keep(() => store.taskRefused({ taskId, error: outcome.error, now }))
      return log.warn({ ...about(attempt), code: outcome.error.code }, 'task.given_up')
    }
    const dueAt = submitRetryAt(task.attempts, outcome.retryAfterMs, now, deps.chance())
    await keep(() => store.taskReleased({ taskId, dueAt, serverError, now }))
    log.warn({ ...about(attempt), reason: outcome.reason, code: outcome.error.code, retry_in_ms: dueAt - now }, 'task.not_sent')
  }

  async function unconfirmed(taskId: number, error: ProviderError | null, now: number): Promise<void> {
    await keep(() => store.taskUnconfirmed({ taskId, error, now, pollAt: deps.firstPollAt(now) }))
  }

  function about({ task, job, startedAt }: Attempt): object {
    return { job: job.id, task: task.taskId, attempt: task.attempts, ms: clock.now() - startedAt }
  }

  return async (attempt: Attempt, outcome: SubmitOutcome): Promise<void> => {
    const { taskId } = attempt.task
    const now = clock.now()
    onOutcome(taskId, outcome)
    // What was given up on has been counted as unconfirmed.
    if (!attempt.givenUp) meter.submitted(outcome.kind)
    switch (outcome.kind) {
      case 'accepted': {
        const { taskId: providerTaskId, traceId, error = null } = outcome
        const pollAt = error === null ? deps.firstPollAt(now) : pollSoonAt(deps.firstPollAt(now), now)
        await keep(() => store.taskSubmitted({ taskId, providerTaskId, traceId, error, now, pollAt }))
        return log.info({ ...about(attempt), provider_task: providerTaskId, ...codeOf(error) }, 'task.submitted')
      }
      case 'finished': {
        const { result } = outcome
        const applied = await keep(() => store.applyResult({ taskId, result, source: 'inline', now, copyAt: now, receipt: null }))
        await discardUnnamed(deps, attempt.job.id, filesOf(result))
        if (applied.arrived !== null) meter.resultArrived(applied.arrived, 'inline')
        deps.onResult()
        return log.info({ ...about(attempt), outcome: applied.outcome, result: result.kind }, 'task.finished_inline')
      }
      case 'refused':
        await keep(() => store.taskRefused({ taskId, error: outcome.error, now }))
        return log.warn({ ...about(attempt), status: outcome.status, code: outcome.error.code }, 'task.refused')
      case 'not_sent':
        return notSent(attempt, outcome)
      case 'unconfirmed':
        // What was given up on is unconfirmed already; only what was said of it may be new.
        if (!attempt.givenUp || outcome.error !== undefined) await unconfirmed(taskId, outcome.error ?? null, now)
        return log.warn({ ...about(attempt), reason: outcome.reason, ...codeOf(outcome.error) }, 'task.unconfirmed')
      default:
        return outcome satisfies never
    }
  }
}

/** The provider took a task, and spoke against it: it soon knows what becomes of it. */
const doubtfulPollMs = 10_000

function pollSoonAt(firstPollAt: number | null, now: number): number | null {
  return firstPollAt === null ? null : Math.min(firstPollAt, now + doubtfulPollMs)
}

function codeOf(error: ProviderError | null | undefined): { code?: string } {
  return error === null || error === undefined ? {} : { code: error.code }
}
