import type { Blobs, Clock, Log } from '../domain/ports.ts'
import { type Provider, recordsFolder } from '../domain/provider.ts'
import type { DuePoll } from '../domain/records.ts'
import type { Result, TaskRecord } from '../domain/result.ts'
import { lateWindowMs, pollRetryAt } from '../domain/retry.ts'
import type { JobStore } from '../domain/store.ts'
import { discardUnused } from './leftovers.ts'
import { type Loop, type Next, startLoop } from './loop.ts'

export type PollDeps = {
  store: JobStore
  blobs: Blobs
  provider: Provider
  clock: Clock
  log: Log
  pollEveryMs: number
  /** The task that a callback URL in a record names; null where it is not ours, and in poll mode, where there are none. */
  taskOfCallbackUrl: (url: string) => number | null
  onResult: () => void
}

export type PollStep = Pick<Loop, 'wake' | 'close'>

/** The provider's page says 60 requests a second, elsewhere less than one: batches, and slowly. */
const batchSize = 50
const pageSize = 100
const maxPages = 20
const pauseBetweenMs = 1_000
/** The provider's clock and ours may differ by this much, and a submit's record may be older than its answer. */
const clockSlackMs = 120_000

/** Asks the provider for what has had no callback, and looks for what nobody knows to have been accepted. */
export function startPoll(deps: PollDeps): PollStep {
  const { store, clock, log } = deps
  const stopping = new AbortController()

  async function pass(): Promise<Next> {
    const due = await store.duePolls(clock.now(), batchSize)
    if (due.length === 0) return store.nextPollAt()
    const known = due.filter(task => task.providerTaskId !== null)
    const unknown = due.filter(task => task.providerTaskId === null)
    const found = new Set<number>()
    try {
      if (known.length > 0) await askFor(known, found)
      if (unknown.length > 0) await lookFor(unknown, found)
    } catch (error) {
      if (stopping.signal.aborted) return null
      log.warn({ err: error, tasks: due.length }, 'poll.failed')
    }
    for (const task of due) if (!found.has(task.taskId)) await postpone(task)
    log.info({ asked: due.length, finished: found.size }, 'poll.done')
    return clock.now() + pauseBetweenMs
  }

  /** Not over, or not known: right after a submit that may be lag, not loss. */
  async function postpone(task: DuePoll): Promise<void> {
    const now = clock.now()
    const over = now >= task.expiresAt + lateWindowMs
    await store.taskPolled({ taskId: task.taskId, pollAt: over ? null : pollRetryAt(task.polls, deps.pollEveryMs, now) })
  }

  async function askFor(tasks: readonly DuePoll[], found: Set<number>): Promise<void> {
    const taskIds = tasks.map(task => task.providerTaskId).filter(id => id !== null)
    for (const record of await deps.provider.records({ taskIds }, stopping.signal)) {
      const task = tasks.find(one => one.providerTaskId === record.taskId)
      await apply(task, record, found)
    }
  }

  /** Tasks whose submit was never answered are known by their own callback URL, which the record repeats. */
  async function lookFor(tasks: readonly DuePoll[], found: Set<number>): Promise<void> {
    const times = tasks.map(task => task.submittedAt).filter(at => at !== null)
    if (times.length === 0) return
    const createdFromS = Math.floor((Math.min(...times) - clockSlackMs) / 1_000)
    const createdToS = Math.ceil((Math.max(...times) + clockSlackMs) / 1_000)
    for (let page = 0; page < maxPages; page += 1) {
      const query = { createdFromS, createdToS, offset: page * pageSize, limit: pageSize }
      const records = await deps.provider.records(query, stopping.signal)
      for (const record of records) {
        const id = record.callbackUrl === null ? null : deps.taskOfCallbackUrl(record.callbackUrl)
        const task = tasks.find(one => one.taskId === id)
        if (task !== undefined) await identify(task, record)
        await apply(task, record, found)
      }
      if (records.length < pageSize) return
    }
  }

  async function identify(task: DuePoll, record: TaskRecord): Promise<void> {
    const now = clock.now()
    const { taskId } = task
    await store.taskSubmitted({ taskId, providerTaskId: record.taskId, traceId: null, now, pollAt: now + deps.pollEveryMs })
    log.info({ job: task.jobId, task: taskId, provider_task: record.taskId }, 'task.found')
  }

  async function apply(task: DuePoll | undefined, record: TaskRecord, found: Set<number>): Promise<void> {
    const { result } = record
    if (result === null) return
    if (task === undefined) return discardUnused(deps.blobs, recordsFolder, result, false)
    const { taskId, jobId } = task
    const moved = await moveFiles(jobId, result)
    const now = clock.now()
    const applied = await store.applyResult({ taskId, result: moved, source: 'poll', now, copyAt: now, receipt: null })
    await discardUnused(deps.blobs, jobId, moved, applied.kept)
    found.add(taskId)
    log.info({ job: jobId, task: taskId, outcome: applied.outcome, result: result.kind }, `poll.${applied.outcome}`)
    if (applied.kept) deps.onResult()
  }

  /** Pictures of a batch of records lie in a folder of their own until it is known whose they are. */
  async function moveFiles(jobId: string, result: Result): Promise<Result> {
    if (result.kind !== 'succeeded') return result
    for (const { file } of result.images) {
      if (file === null) continue
      await deps.blobs.link(recordsFolder, file.name, jobId)
      await deps.blobs.remove(recordsFolder, file.name)
    }
    return result
  }

  const loop = startLoop('poll', pass, { clock, log })
  return {
    wake: () => loop.wake(),
    async close() {
      stopping.abort()
      await loop.close()
    },
  }
}
