import { isSameRequest, type LostTask, mayBeOf } from '../domain/lost.ts'
import type { Clock } from '../domain/ports.ts'
import type { RecordsQuery } from '../domain/provider.ts'
import type { DuePoll } from '../domain/records.ts'
import type { TaskRecord } from '../domain/result.ts'
import type { JobStore } from '../domain/store.ts'
import { sentClientTrace } from '../domain/trace.ts'

export type LookupDeps = {
  store: Pick<JobStore, 'job' | 'jobsByProviderTask' | 'tasksUnderTrace'>
  clock: Clock
  /** The task that a callback URL in a record names; null where it is not ours, and in poll mode, where there are none. */
  taskOfCallbackUrl: (url: string) => number | null
  /** What only this task's submits are known by at the provider, the newest secret's first. */
  traceIds: (jobId: string, taskId: number) => readonly string[]
}

const pageSize = 100
const maxPages = 20
/** The provider's clock and ours may differ by this much. */
const clockSlackMs = 120_000

type Lost = LostTask & {
  task: DuePoll
  attempts: number
  /** Of its own; empty where its submits went out under the client's. */
  traceIds: readonly string[]
}

/** The tasks by the ids that their submits got at the provider; and why a part of the search failed, where one did. */
export type Found = { found: ReadonlyMap<string, DuePoll>; failure: unknown }

/** What a search has come to. */
type Search = {
  found: Map<string, DuePoll>
  /** Records that are a task's only if they can be nothing else. */
  maybe: { lost: Lost; record: TaskRecord }[]
  /** There were no more records than may be read. */
  isWhole: boolean
  isFound: (lost: Lost) => boolean
}

function beginSearch(): Search {
  const found = new Map<string, DuePoll>()
  return { found, maybe: [], isWhole: true, isFound: ({ task }) => [...found.values()].includes(task) }
}

/**
 * Looks for submits whose answer nobody heard, in the provider's records: by the trace id that only this task has, and by time, where
 * a record repeats the callback URL, which names our task, or a trace id. One that a client gave decides only with all the rest.
 * A task that was tried again may have several ids. One way that fails does not stand in the other's: neither is sure to be there.
 * @param ask asks the provider, slowly.
 */
export function makeLookup(deps: LookupDeps, ask: (query: RecordsQuery) => Promise<TaskRecord[]>) {
  async function lostOf(task: DuePoll): Promise<Lost | null> {
    const { taskId, jobId } = task
    const job = await deps.store.job(jobId)
    const own = job?.tasks.find(one => one.id === taskId)
    if (job === null || own === undefined) return null
    // Not before it was due. It was given up on at `submittedAt`, which after a crash is the next start.
    const to = task.submittedAt ?? deps.clock.now()
    const traceIds = sentClientTrace(job) === null ? deps.traceIds(jobId, taskId) : []
    const from = Math.min(own.dueAt, to) - clockSlackMs
    return { taskId, task, job, from, to: to + clockSlackMs, attempts: own.attempts, traceIds }
  }

  /** Pages through records until there is nothing new in them, or `isEnough` says so: how long a page may be is not documented. */
  async function readPages(
    pageAt: (offset: number) => RecordsQuery,
    lost: readonly Lost[],
    search: Search,
    isEnough: (fresh: readonly TaskRecord[]) => boolean,
  ): Promise<void> {
    const seen = new Set<string | null>([null])
    for (let page = 0; page < maxPages; page += 1) {
      const records = await ask(pageAt(seen.size - 1))
      const fresh = records.filter(({ taskId }) => !seen.has(taskId))
      for (const record of fresh) note(record, lost, search)
      for (const { taskId } of fresh) seen.add(taskId)
      // One that was tried only once has no second record to be looked for.
      const isOver = lost.every(one => one.attempts === 1 && search.isFound(one))
      if (fresh.length === 0 || isOver || isEnough(fresh)) return
    }
    search.isWhole = false
  }

  async function readByTrace(lost: readonly Lost[], search: Search): Promise<void> {
    const own = lost.filter(one => one.traceIds.length > 0)
    // Each has as many as there are secrets.
    const atOnce = Math.max(1, Math.floor(pageSize / (own[0]?.traceIds.length ?? 1)))
    for (let first = 0; first < own.length; first += atOnce) {
      const group = own.slice(first, first + atOnce)
      const traceIds = group.flatMap(one => one.traceIds)
      const pageAt = (offset: number): RecordsQuery => ({ traceIds, offset, limit: pageSize })
      // Where none was asked for, trace ids are not looked by there: the rest would be everybody's.
      await readPages(pageAt, group, search, fresh => !fresh.some(record => group.some(one => sharesTrace(record, one))))
    }
  }

  async function readByTime(lost: readonly Lost[], search: Search): Promise<void> {
    const createdFromS = Math.floor(Math.min(...lost.map(one => one.from)) / 1_000)
    const createdToS = Math.ceil(Math.max(...lost.map(one => one.to)) / 1_000)
    await readPages(
      offset => ({ createdFromS, createdToS, offset, limit: pageSize }),
      lost,
      search,
      () => false,
    )
  }

  function note(record: TaskRecord, lost: readonly Lost[], search: Search): void {
    if (record.taskId === null) return
    const named = record.callbackUrl === null ? null : deps.taskOfCallbackUrl(record.callbackUrl)
    const owner = lost.find(one => (named === null ? sharesTrace(record, one) : one.taskId === named))
    if (owner !== undefined) search.found.set(record.taskId, owner.task)
    else if (named === null) search.maybe.push(...lost.filter(one => mayBeOf(record, one)).map(one => ({ lost: one, record })))
  }

  /** Takes what a client's trace id led to, if it can be of no other task and no other record can be of this one. */
  async function decide({ found, maybe, isFound }: Search): Promise<void> {
    for (const { lost, record } of maybe) {
      const rivals = maybe.filter(one => one.lost === lost || one.record.taskId === record.taskId)
      if (rivals.length > 1 || isFound(lost) || (await isSomebodyElses(record, lost))) continue
      // A record without an id is not noted.
      found.set(record.taskId ?? '', lost.task)
    }
  }

  async function isSomebodyElses(record: TaskRecord, { taskId, job }: Lost): Promise<boolean> {
    const { store } = deps
    if ((await store.jobsByProviderTask(record.taskId ?? '')).length > 0) return true
    const clientTraceId = sentClientTrace(job) ?? ''
    const others = await store.tasksUnderTrace({ clientTraceId, at: record.createdAt ?? 0, slackMs: clockSlackMs })
    for (const other of others.filter(one => one.taskId !== taskId)) {
      const its = await store.job(other.jobId)
      if (its !== null && isSameRequest(record, its)) return true
    }
    return false
  }

  return async (tasks: readonly DuePoll[]): Promise<Found> => {
    const lost = (await Promise.all(tasks.map(lostOf))).filter(one => one !== null)
    const search = beginSearch()
    let failure: unknown = null
    const trying = async (work: Promise<void>): Promise<void> => {
      await work.catch((error: unknown) => {
        failure = error
      })
    }
    await trying(readByTrace(lost, search))
    const rest = lost.filter(one => !search.isFound(one))
    for (const group of overlapping(rest)) await trying(readByTime(group, search))
    // What was not read may be a rival.
    if (failure === null && search.isWhole) await decide(search)
    return { found: search.found, failure }
  }
}

function sharesTrace(record: TaskRecord, { traceIds }: Lost): boolean {
  return record.traceIds.some(id => traceIds.includes(id))
}

/** In groups that share no moment, so that the records between two far ones need not be read. */
function overlapping(lost: readonly Lost[]): Lost[][] {
  const groups: Lost[][] = []
  let end = Number.NEGATIVE_INFINITY
  for (const one of lost.toSorted((a, b) => a.from - b.from)) {
    if (one.from > end) groups.push([one])
    else groups.at(-1)?.push(one)
    end = Math.max(end, one.to)
  }
  return groups
}
