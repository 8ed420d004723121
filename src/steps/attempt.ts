import type { Blobs, Clock, Log, Meter } from '../domain/ports.ts'
import type { Provider, SubmitOrder, SubmitOutcome } from '../domain/provider.ts'
import type { ClaimedTask, JobRecord } from '../domain/records.ts'
import { lateWindowMs } from '../domain/retry.ts'
import type { JobStore } from '../domain/store.ts'
import { orderFor } from './order.ts'
import { persist } from './persist.ts'
import { makeRecorder } from './record.ts'

export type AttemptDeps = {
  store: JobStore
  blobs: Blobs
  provider: Provider
  clock: Clock
  log: Log
  meter: Meter
  /** In [0, 1). */
  chance: () => number
  submitTimeoutMs: number
  /** When a task that was just submitted is first asked for; null: never. */
  firstPollAt: (now: number) => number | null
  /** Where the provider is to POST a task's result; null: nowhere, it is asked for. */
  callbackUrl: (taskId: number) => string | null
  /** What only this task's submits are known by at the provider. */
  traceId: (jobId: string, taskId: number) => string
  /** A result came with the submit's own answer. */
  onResult: () => void
}

/** One submit under way. */
export type Attempt = {
  task: ClaimedTask
  job: JobRecord
  startedAt: number
  /** It was silent for too long and is unconfirmed: what it still says is used, but it is never submitted again. */
  givenUp: boolean
}

/** However slow the line, an upload has ended by then, or is given up on. */
export const uploadTimeoutMs = 600_000
/** How soon it is tried again where not even the order could be made up. */
const waitAfterErrorMs = 10_000

/**
 * Makes what takes one claimed task from its order to a recorded outcome, submitting it at most once; or, where it may not leave
 * any more, back into the queue.
 * @param onOutcome is told what became of the submit, before it is recorded; twice where an answer comes to one that was given up.
 * @param stopping gives up waiting for whatever is under way.
 */
export function makeAttempt(
  deps: AttemptDeps,
  onOutcome: (taskId: number, outcome: SubmitOutcome) => void,
  stopping: AbortSignal,
) {
  const { store, clock, log } = deps
  const keep = <T>(write: () => Promise<T>): Promise<T> => persist(write, { clock, log, signal: stopping })
  const record = makeRecorder(deps, keep, onOutcome)

  /** The outcome, or null where there was none within the time after the end of the upload. */
  async function firstOf(outcome: Promise<SubmitOutcome>, sent: Promise<void>): Promise<SubmitOutcome | null> {
    let cancel = (): void => {}
    let settled = false
    const elapsed = (delayMs: number): Promise<null> =>
      new Promise(resolve => {
        cancel()
        if (!settled) cancel = clock.after(delayMs, () => resolve(null))
      })
    const stuck = elapsed(uploadTimeoutMs)
    // The upload's own limit is called off when it has ended.
    const silent = sent.then(() => elapsed(deps.submitTimeoutMs))
    try {
      return await Promise.race([outcome, silent, stuck])
    } finally {
      settled = true
      cancel()
    }
  }

  async function send(attempt: Attempt, order: SubmitOrder): Promise<void> {
    const { job } = attempt
    const deadline = new AbortController()
    // Whatever comes while late results are looked for is still used.
    const listenMs = Math.max(0, job.expiresAt + lateWindowMs - attempt.startedAt)
    const cancelDeadline = clock.after(listenMs, () => deadline.abort())
    try {
      const { outcome, sent } = deps.provider.submit(order, AbortSignal.any([deadline.signal, stopping]))
      const first = await firstOf(outcome, sent)
      if (first !== null) return await record(attempt, first)
      await record(attempt, { kind: 'unconfirmed', reason: `no answer within ${clock.now() - attempt.startedAt} ms` })
      await record({ ...attempt, givenUp: true }, await outcome)
    } finally {
      cancelDeadline()
    }
  }

  return async (task: ClaimedTask, mayLeave: boolean): Promise<void> => {
    const { taskId } = task
    const startedAt = clock.now()
    const about = { job: task.jobId, task: taskId }
    let left = false
    try {
      const job = await store.job(task.jobId)
      const status = job?.tasks.find(one => one.id === taskId)?.status
      if (job === null) return
      if (mayLeave && status === 'submitting') {
        const order = orderFor(job, deps.callbackUrl(taskId), deps.traceId(job.id, taskId), deps.blobs)
        left = true
        return await send({ task, job, startedAt, givenUp: false }, order)
      }
      // It was canceled since it was claimed, or the account was refused: nothing of it has left.
      await keep(() => store.taskReleased({ taskId, dueAt: startedAt, serverError: false, now: startedAt }))
      log.info(about, 'task.not_submitted')
    } catch (error) {
      log.error({ err: error, ...about }, 'task.submit_broke')
      const now = clock.now()
      if (left) await keep(() => store.taskUnconfirmed({ taskId, now, pollAt: deps.firstPollAt(now) }))
      else await keep(() => store.taskReleased({ taskId, dueAt: now + waitAfterErrorMs, serverError: false, now }))
    }
  }
}
