import type { Blobs, Clock, Log, Meter } from '../domain/ports.ts'
import { type Provider, type RecordsQuery, recordsFolder } from '../domain/provider.ts'
import type { DuePoll } from '../domain/records.ts'
import type { Result, TaskRecord } from '../domain/result.ts'
import { lateWindowMs, pollRetryAt } from '../domain/retry.ts'
import type { JobStore } from '../domain/store.ts'
import { discardUnnamed, filesOf, isCertainlyNotKept } from './leftovers.ts'
import { makeLookup } from './lookup.ts'
import { type Loop, type Next, startLoop } from './loop.ts'
import { pause } from './pause.ts'

export type PollDeps = {
  store: JobStore
  blobs: Blobs
  provider: Provider
  clock: Clock
  log: Log
  meter: Meter
  pollEveryMs: number
  /** The task that a callback URL in a record names; null where it is not ours, and in poll mode, where there are none. */
  taskOfCallbackUrl: (url: string) => number | null
  /** What only this task's submits are known by at the provider, the newest secret's first. */
  traceIds: (jobId: string, taskId: number) => readonly string[]
  onResult: () => void
}

export type PollStep = Pick<Loop, 'wake' | 'close'>

/** The provider's page says 60 requests a second, elsewhere less than one: batches, and slowly. */
const batchSize = 50
const pauseBetweenMs = 1_000

/** Asks the provider for what has had no callback, and looks for what nobody knows to have been accepted. */
export function startPoll(deps: PollDeps): PollStep {
  const { store, clock, log, meter } = deps
  const stopping = new AbortController()
  const lookFor = makeLookup(deps, ask)
  let mayAskAt = 0

  async function pass(): Promise<Next> {
    const due = await store.duePolls(clock.now(), batchSize)
    if (due.length === 0) return store.nextPollAt()
    const ended = new Set<DuePoll>()
    const types = new Map<DuePoll, string>()
    let rest: 'unfinished' | 'failed' = 'unfinished'
    try {
      await askForKnown(due, ended, types)
      const failure = await askForUnknown(due, ended)
      if (failure !== null) throw failure
    } catch (error) {
      if (stopping.signal.aborted) return null
      rest = 'failed'
      log.warn({ err: error, tasks: due.length }, 'poll.failed')
    }
    for (const task of due) {
      meter.polled(ended.has(task) ? 'finished' : rest)
      if (!ended.has(task)) await postpone(task, types.get(task) ?? null)
    }
    log.info({ asked: due.length, finished: ended.size }, 'poll.done')
    return 'now'
  }

  /** One question, no sooner than the provider may be asked again. */
  async function ask(query: RecordsQuery): Promise<TaskRecord[]> {
    // No longer than that, though the clock may have been set back since.
    await pause(Math.min(pauseBetweenMs, mayAskAt - clock.now()), clock, stopping.signal)
    stopping.signal.throwIfAborted()
    try {
      return await deps.provider.records(query, stopping.signal)
    } finally {
      mayAskAt = clock.now() + pauseBetweenMs
    }
  }

  /** The records of these ids. What an answer leaves out is asked for again: how many it may hold is not documented. */
  async function* recordsOf(taskIds: readonly string[]): AsyncGenerator<TaskRecord> {
    for (let missing = taskIds; missing.length > 0; ) {
      const records = await ask({ taskIds: missing })
      yield* records
      const still = missing.filter(id => !records.some(record => record.taskId === id))
      if (still.length === missing.length) return
      missing = still
    }
  }

  /** @param types is given the types of the records of those that have not ended. */
  async function askForKnown(due: readonly DuePoll[], ended: Set<DuePoll>, types: Map<DuePoll, string>): Promise<void> {
    const known = new Map(due.map(task => [task.providerTaskId, task]))
    const ids = [...known.keys()].filter(id => id !== null)
    for await (const record of recordsOf(ids)) {
      const task = known.get(record.taskId)
      if (task !== undefined && record.type !== null) types.set(task, record.type)
      await apply(task, record.result, ended)
    }
  }

  /** Tasks whose submit was never answered. @returns why not all could be looked for; null where nothing kept it from that. */
  async function askForUnknown(due: readonly DuePoll[], ended: Set<DuePoll>): Promise<unknown> {
    const unknown = due.filter(task => task.providerTaskId === null)
    if (unknown.length === 0) return null
    const { found, failure } = await lookFor(unknown)
    const best = new Map<DuePoll, TaskRecord>()
    for await (const record of recordsOf([...found.keys()])) {
      const task = found.get(record.taskId ?? '')
      const rival = task === undefined ? undefined : best.get(task)
      if (task === undefined || (rival !== undefined && rank(rival) >= rank(record))) {
        await discardRecord(record.result)
        continue
      }
      if (rival !== undefined) await discardRecord(rival.result)
      best.set(task, record)
    }
    for (const [task, record] of best) {
      await identify(task, record)
      await apply(task, record.result, ended)
    }
    return failure
  }

  /** Not over, or not known: right after a submit that may be lag, not loss. */
  async function postpone(task: DuePoll, recordType: string | null): Promise<void> {
    const now = clock.now()
    const givenUpAt = task.expiresAt + lateWindowMs
    const pollAt = now >= givenUpAt ? null : Math.min(givenUpAt, pollRetryAt(task.polls, deps.pollEveryMs, now))
    await store.taskPolled({ taskId: task.taskId, pollAt, recordType })
  }

  async function identify(task: DuePoll, record: TaskRecord): Promise<void> {
    const now = clock.now()
    const { taskId } = task
    const { taskId: providerTaskId, traceIds, type: recordType } = record
    const traceId = traceIds[0] ?? null
    await store.taskSubmitted({ taskId, providerTaskId, traceId, recordType, now, pollAt: now + deps.pollEveryMs })
    log.info({ job: task.jobId, task: taskId, provider_task: record.taskId }, 'task.found')
  }

  async function apply(task: DuePoll | undefined, result: Result | null, ended: Set<DuePoll>): Promise<void> {
    if (result === null) return
    if (task === undefined) return discardRecord(result)
    const { taskId, jobId } = task
    const now = clock.now()
    const { outcome, kept, arrived } = await unlessKept(jobId, result, async () => {
      await moveFiles(jobId, result)
      return store.applyResult({ taskId, result, source: 'poll', now, copyAt: now, receipt: null })
    })
    // What may be billed may still get its picture.
    if (result.kind === 'succeeded' || result.mayBeBilled !== true) ended.add(task)
    log.info({ job: jobId, task: taskId, outcome, result: result.kind }, `poll.${outcome}`)
    if (arrived !== null) meter.resultArrived(arrived, 'poll')
    if (kept) deps.onResult()
  }

  /** Runs the work, and removes the pictures of a result that was certainly not kept. */
  async function unlessKept<T>(jobId: string, result: Result, work: () => Promise<T>): Promise<T> {
    try {
      const done = await work()
      await discardUnnamed(deps, jobId, filesOf(result))
      return done
    } catch (error) {
      await discardRecord(result)
      if (isCertainlyNotKept(error)) await discardUnnamed(deps, jobId, filesOf(result))
      throw error
    }
  }

  /** Pictures of a batch of records lie in a folder of their own until it is known whose they are. */
  async function moveFiles(jobId: string, result: Result): Promise<void> {
    for (const { name } of filesOf(result)) {
      await deps.blobs.link(recordsFolder, name, jobId)
      await deps.blobs.remove(recordsFolder, name)
    }
  }

  async function discardRecord(result: Result | null): Promise<void> {
    for (const { name } of result === null ? [] : filesOf(result)) await deps.blobs.remove(recordsFolder, name)
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

/** Of several submits of one task, one that made a picture counts most, then one that may still make one. */
function rank({ result }: TaskRecord): number {
  if (result === null) return 1
  return result.kind === 'succeeded' ? 2 : 0
}
