import { isFinal } from '../domain/job.ts'
import type { Clock, Log, Meter } from '../domain/ports.ts'
import type { JobRecord } from '../domain/records.ts'
import type { JobStore, Waiter } from '../domain/store.ts'
import { persist } from './persist.ts'
import { isAnswerable, isCopyingOver } from './result-body.ts'
import type { Watch } from './watch.ts'

export type HeldDeps = { store: JobStore; watch: Watch; clock: Clock; log: Log; meter: Meter }

/** Requests whose connection is held until the pictures are there. Who waits for what is in rows: it outlives the process. */
export type Held = {
  /**
   * For a request that may be a retry: the newest job of the same request whose answer was never delivered, and which this one
   * may claim; null where there is none. The waiter waits for it from here on.
   */
  claim(owner: string, fingerprint: string, waiter: Waiter): Promise<string | null>
  /**
   * The job when it can be answered (with `base64`: when its pictures are here), or as it is at the deadline, or when the caller
   * has gone; null where it was deleted meanwhile.
   */
  wait(jobId: string, base64: boolean, deadlineAt: number, gone: AbortSignal): Promise<JobRecord | null>
  /** A connection that waited has ended. Unless the answer was delivered, a retry may claim the job from here on. */
  ended(jobId: string, connection: string, delivered: boolean): void
  /** Resolves when all ends are written. */
  close(): Promise<void>
}

/** So long after it was made a job may be claimed; by a request that is not marked as a retry, so long after a connection ended. */
const claimableMs = 86_400_000
const claimableUnmarkedMs = 600_000
/** A picture that cannot be copied is waited for no longer than this after the end, by those who want its URL alone. */
const copyWaitMs = 60_000

export function makeHeld({ store, watch, clock, log, meter }: HeldDeps): Held {
  const writing = new Set<Promise<void>>()
  const stopping = new AbortController()

  async function note(jobId: string, connection: string, delivered: boolean): Promise<void> {
    const now = clock.now()
    try {
      await persist(() => store.waiterGone({ jobId, connection, delivered, now }), { clock, log, signal: stopping.signal })
    } catch (error) {
      // Its row stays: until the next start nobody else gets the job but a marked retry, and then whoever asks.
      log.warn({ err: error, job: jobId, delivered }, 'answer.not_noted')
    }
  }

  return {
    async claim(owner, fingerprint, waiter) {
      const now = clock.now()
      const times = { createdAfter: now - claimableMs, endedAfter: now - claimableUnmarkedMs }
      const claimed = await store.claimAnswer({ owner, fingerprint, waiter, ...times })
      if (claimed === null) return null
      meter.claimed(claimed.kind)
      log.info({ job: claimed.jobId, kind: claimed.kind }, 'job.claimed_by_retry')
      return claimed.jobId
    },

    async wait(jobId, base64, deadlineAt, gone) {
      await watch.watch(jobId, one => isFinal(one.status), deadlineAt, gone)
      const over = (one: JobRecord): boolean => !isFinal(one.status) || (base64 ? isAnswerable(one, true) : isCopyingOver(one))
      return watch.watch(jobId, over, base64 ? deadlineAt : Math.min(deadlineAt, clock.now() + copyWaitMs), gone)
    },

    ended(jobId, connection, delivered) {
      const write = note(jobId, connection, delivered).finally(() => writing.delete(write))
      writing.add(write)
    },

    async close() {
      stopping.abort()
      await Promise.all(writing)
    },
  }
}
