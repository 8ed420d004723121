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

export function makeWatch(store: Pick<JobStore, 'job' | 'onChange'>, clock: Clock): Watch {
  const watchers = new Map<string, Set<() => void>>()
  const stopping = new AbortController()
  const unsubscribe = store.onChange(jobId => {
    for (const look of watchers.get(jobId) ?? []) look()
  })

  /** Resolves at the job's next change after this call, or when waiting is over. */
  function nextChange(jobId: string, deadlineAt: number, signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const done = (): void => {
        cancel()
        signal.removeEventListener('abort', done)
        const looking = watchers.get(jobId)
        looking?.delete(done)
        if (looking?.size === 0) watchers.delete(jobId)
        resolve()
      }
      const cancel = clock.after(Math.max(0, deadlineAt - clock.now()), done)
      signal.addEventListener('abort', done)
      const looking = watchers.get(jobId) ?? new Set()
      looking.add(done)
      watchers.set(jobId, looking)
    })
  }

  return {
    async watch(jobId, until, deadlineAt, signal) {
      const over = signal === undefined ? stopping.signal : AbortSignal.any([signal, stopping.signal])
      for (;;) {
        const waiting = new AbortController()
        // Subscribed before reading: a change between the two is not missed.
        const change = nextChange(jobId, deadlineAt, AbortSignal.any([over, waiting.signal]))
        const job = await store.job(jobId)
        if (job === null || until(job) || over.aborted || clock.now() >= deadlineAt) {
          waiting.abort()
          return job
        }
        await change
      }
    },
    close() {
      stopping.abort()
      unsubscribe()
    },
  }
}
