import type { Clock } from '../domain/ports.ts'
import type { RecordsQuery } from '../domain/provider.ts'
import type { DuePoll } from '../domain/records.ts'
import type { TaskRecord } from '../domain/result.ts'
import type { JobStore } from '../domain/store.ts'

export type LookupDeps = {
  store: Pick<JobStore, 'job'>
  clock: Clock
  /** The task that a callback URL in a record names; null where it is not ours, and in poll mode, where there are none. */
  taskOfCallbackUrl: (url: string) => number | null
}

const pageSize = 100
const maxPages = 20
/** The provider's clock and ours may differ by this much. */
const clockSlackMs = 120_000

/** When a task's submit was made, as near as we know. */
type Span = { task: DuePoll; from: number; to: number; attempts: number }

/**
 * Looks for submits whose answer nobody heard, in the provider's records: they repeat the callback URL, which names our task.
 * Gives the tasks by the ids that their submits got there; one that was tried again may have several.
 * @param ask asks the provider, slowly.
 */
export function makeLookup(deps: LookupDeps, ask: (query: RecordsQuery) => Promise<TaskRecord[]>) {
  async function spanOf(task: DuePoll): Promise<Span | null> {
    const job = await deps.store.job(task.jobId)
    const own = job?.tasks.find(one => one.id === task.taskId)
    if (own === undefined) return null
    // Not before it was due. It was given up on at `submittedAt`, which after a crash is the next start.
    const to = task.submittedAt ?? deps.clock.now()
    return { task, from: Math.min(own.dueAt, to) - clockSlackMs, to: to + clockSlackMs, attempts: own.attempts }
  }

  /** Pages through the records of a time, until there is nothing new in them: how long a page may be is not documented. */
  async function search(spans: readonly Span[], found: Map<string, DuePoll>): Promise<void> {
    const createdFromS = Math.floor(Math.min(...spans.map(span => span.from)) / 1_000)
    const createdToS = Math.ceil(Math.max(...spans.map(span => span.to)) / 1_000)
    const seen = new Set<string>()
    for (let page = 0; page < maxPages; page += 1) {
      const records = await ask({ createdFromS, createdToS, offset: seen.size, limit: pageSize })
      const fresh = records.filter(({ taskId }) => taskId !== null && !seen.has(taskId))
      for (const record of fresh) note(record, spans, found, seen)
      // One that was tried only once has no second record to be looked for.
      if (fresh.length === 0 || spans.every(({ task, attempts }) => attempts === 1 && [...found.values()].includes(task))) return
    }
  }

  function note(record: TaskRecord, spans: readonly Span[], found: Map<string, DuePoll>, seen: Set<string>): void {
    if (record.taskId === null) return
    seen.add(record.taskId)
    const id = record.callbackUrl === null ? null : deps.taskOfCallbackUrl(record.callbackUrl)
    const span = spans.find(one => one.task.taskId === id)
    if (span !== undefined) found.set(record.taskId, span.task)
  }

  return async (tasks: readonly DuePoll[]): Promise<Map<string, DuePoll>> => {
    const found = new Map<string, DuePoll>()
    const spans = (await Promise.all(tasks.map(spanOf))).filter(span => span !== null)
    for (const group of overlapping(spans)) await search(group, found)
    return found
  }
}

/** Spans in groups that share no moment, so that the records between two far ones need not be read. */
function overlapping(spans: readonly Span[]): Span[][] {
  const groups: Span[][] = []
  let end = Number.NEGATIVE_INFINITY
  for (const span of spans.toSorted((a, b) => a.from - b.from)) {
    if (span.from > end) groups.push([span])
    else groups.at(-1)?.push(span)
    end = Math.max(end, span.to)
  }
  return groups
}
