import { isFinal } from '../domain/job.ts'
import type { Clock, Log } from '../domain/ports.ts'
import type { JobRecord } from '../domain/records.ts'
import type { JobStore } from '../domain/store.ts'
import { isCopyingOver } from './result-body.ts'
import type { Watch } from './watch.ts'

export type HeldDeps = { store: JobStore; watch: Watch; clock: Clock; log: Log }

/** Requests whose connection is held until the pictures are there. */
export type Held = {
  /** Somebody waits for this job, until the release: no retry may claim it meanwhile. */
  attend(jobId: string): void
  /** `gone`: whoever waited went away without the answer. */
  release(jobId: string, gone: boolean): void
  /**
   * For a retry: the newest job of the same request whose answer was never given and that nobody waits for; null where there
   * is none. It is attended from here on, so that two callers never get the same.
   */
  claim(owner: string, fingerprint: string): Promise<string | null>
  /**
   * The job when its pictures are here, or as it is at the deadline, or when the caller has gone; null where it was deleted
   * meanwhile.
   */
  wait(jobId: string, deadlineAt: number, gone: AbortSignal): Promise<JobRecord | null>
  /**
   * The caller's answer is on its way, whole. Once `arrived` says that it came, no retry may claim the job any more, and until
   * that is noted none may either.
   */
  answered(jobId: string, arrived: Promise<boolean>): Promise<void>
}

const claimableMs = 86_400_000
/** So many requests that are the same may be under way; a retry looks no further. */
const candidates = 100
/** A picture that cannot be copied is waited for no longer than this after the end: its URL is answered instead. */
const copyWaitMs = 60_000

export function makeHeld({ store, watch, clock, log }: HeldDeps): Held {
  /** How many wait for a job. A process that starts anew has none: whoever waited has lost their connection. */
  const attended = new Map<string, number>()
  const attend = (jobId: string): void => void attended.set(jobId, (attended.get(jobId) ?? 0) + 1)
  function leave(jobId: string): void {
    const left = (attended.get(jobId) ?? 1) - 1
    if (left === 0) attended.delete(jobId)
    else attended.set(jobId, left)
  }

  return {
    attend,

    release(jobId, gone) {
      leave(jobId)
      if (gone) log.info({ job: jobId }, 'client.gone')
    },

    async claim(owner, fingerprint) {
      const createdAfter = clock.now() - claimableMs
      const jobIds = await store.unanswered({ owner, fingerprint, createdAfter, limit: candidates })
      const free = jobIds.find(jobId => !attended.has(jobId)) ?? null
      if (free === null) return null
      attend(free)
      log.info({ job: free }, 'job.claimed_by_retry')
      return free
    },

    async wait(jobId, deadlineAt, gone) {
      await watch.watch(jobId, one => isFinal(one.status), deadlineAt, gone)
      const copyBy = Math.min(deadlineAt, clock.now() + copyWaitMs)
      return watch.watch(jobId, one => !isFinal(one.status) || isCopyingOver(one), copyBy, gone)
    },

    async answered(jobId, arrived) {
      attend(jobId)
      if (!(await arrived)) {
        log.info({ job: jobId }, 'answer.not_taken')
        return leave(jobId)
      }
      try {
        await store.jobAnswered({ jobId, now: clock.now() })
        leave(jobId)
      } catch (error) {
        // It stays attended: somebody has it, and nobody else is to get it.
        log.warn({ err: error, job: jobId }, 'answer.not_noted')
      }
    },
  }
}
