import { isFinal } from '../domain/job.ts'
import type { Clock } from '../domain/ports.ts'
import type { JobRecord } from '../domain/records.ts'
import type { JobStore } from '../domain/store.ts'

export type Pace = {
  /** Seconds after which asking again for a job makes sense, from what its model and size took lately; null where it is final. */
  retryAfterS(job: Pick<JobRecord, 'status' | 'model' | 'params' | 'submittedAt'>): Promise<number | null>
}

const unknownS = 60
const sampled = 200
const freshMs = 10_000

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

const keyOf = (model: string, size: string | null): string => `${model} ${size ?? ''}`

export function makePace(store: Pick<JobStore, 'recentDurations'>, clock: Clock): Pace {
  let medians = new Map<string, number>()
  let readAt = Number.NEGATIVE_INFINITY

  async function refresh(): Promise<void> {
    // Either way: the clock may have been set back.
    if (Math.abs(clock.now() - readAt) < freshMs) return
    readAt = clock.now()
    const groups = Map.groupBy(await store.recentDurations(sampled), one => keyOf(one.model, one.size))
    medians = new Map([...groups].map(([key, jobs]) => [key, median(jobs.map(job => job.durationMs))]))
  }

  return {
    async retryAfterS(job) {
      if (isFinal(job.status)) return null
      await refresh()
      const { size } = job.params
      const usualMs = medians.get(keyOf(job.model, typeof size === 'string' ? size : null))
      if (usualMs === undefined) return unknownS
      const leftMs = Math.min(usualMs, (job.submittedAt ?? clock.now()) + usualMs - clock.now())
      // Later than usual already: a quarter of the usual time again.
      return Math.max(1, Math.ceil((leftMs > 0 ? leftMs : usualMs / 4) / 1_000))
    },
  }
}
