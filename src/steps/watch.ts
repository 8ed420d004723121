import type { Clock } from '../domain/ports.ts'
import type { JobRecord } from '../domain/records.ts'
import type { JobStore } from '../domain/store.ts'

export type Watch = {
  /**
   * The one way to wait for a job: gives it as soon as `until` holds, or as it is at `deadlineAt` (ms since 1970), when the
   * signal fires, or when the service stops. null: there is no such job.
   */
  watch(jobId: string, until: (job: JobRecord) => boolean, deadlineAt: number, signal?: AbortSignal): Promise<JobRecord | null>
  /** Ends all waiting, now and from now on. */
  close(): void
}

/** Wakes one that waits; a ring before the waiting begins is not missed. */
function makeBell(): { ring: () => void; rung: () => Promise<void> } {
  let next = Promise.withResolvers<void>()
  return {
    ring: () => next.resolve(),
    async rung() {
      await next.promise
      next = Promise.withResolvers<void>()
    },
  }
}

export function makeWatch(store: Pick<JobStore, 'job' | 'onChange'>, clock: Clock): Watch {
  const watchers = new Map<string, Set<() => void>>()
  let closed = false
  const ringAll = (jobId: string): void => {
    for (const ring of watchers.get(jobId) ?? []) ring()
  }
  const unsubscribe = store.onChange(ringAll)

  /** Has `ring` called at each change of the job. Gives the way to end that. */
  function subscribe(jobId: string, ring: () => void): () => void {
    const rings = watchers.get(jobId) ?? new Set()
    watchers.set(jobId, rings.add(ring))
    return () => {
      rings.delete(ring)
      if (rings.size === 0) watchers.delete(jobId)
    }
  }

  return {
    async watch(jobId, until, deadlineAt, signal) {
      const { ring, rung } = makeBell()
      let over = clock.now() >= deadlineAt || signal?.aborted === true
      const end = (): void => {
        over = true
        ring()
      }
      // Subscribed before reading: a change between the two is not missed.
      const unwatch = subscribe(jobId, ring)
      const cancel = clock.after(Math.max(0, deadlineAt - clock.now()), end)
      signal?.addEventListener('abort', end)
      try {
        for (;;) {
          const job = await store.job(jobId)
          if (job === null || over || closed || until(job)) return job
          await rung()
        }
      } finally {
        unwatch()
        cancel()
        signal?.removeEventListener('abort', end)
      }
    },
    close() {
      closed = true
      unsubscribe()
      for (const jobId of watchers.keys()) ringAll(jobId)
    },
  }
}
