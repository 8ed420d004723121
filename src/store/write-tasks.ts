import type Database from 'better-sqlite3'
import { isFinal, type Source, type TaskEvent, type TaskStatus } from '../domain/job.ts'
import type { Arrival } from '../domain/ports.ts'
import type { ClaimedTask } from '../domain/records.ts'
import type { ProviderError, Result } from '../domain/result.ts'
import type { Applied, Claim, Receipt } from '../domain/store.ts'
import type { Changed } from './commands.ts'
import { type Moved, taskMover } from './move.ts'
import { unfinishedTasks } from './rows.ts'
import type { Moves } from './tally.ts'
import { imageInserter, warningAdder } from './write-images.ts'

/** How many of a job's callbacks are noted; more are answered alike, but leave no row, so that no sender fills the disk. */
const maxCallbacksNoted = 100

export function taskCommands(database: Database.Database, changed: Changed, tally: Moves) {
  const { move } = taskMover(database, changed, tally)
  const insertImages = imageInserter(database)
  const addWarnings = warningAdder(database)
  const noteCallback = callbackNoter(database)
  const jobOf = database.prepare<{ id: number }, { job_id: string }>('select job_id from tasks where id = @id')
  const overdue = database.prepare<{ now: number; limit: number }, { id: number }>(`
    select id from ${unfinishedTasks} and status in ('queued', 'submitting', 'submitted', 'unconfirmed') and expires_at <= @now
    order by expires_at limit @limit`)
  const stranded = database.prepare<{ by: string; now: number }, { id: number }>(`
    select id from ${unfinishedTasks} and status = 'submitting' and (claimed_by <> @by or claimed_until <= @now)`)
  // Those that were canceled or expired while they were being submitted: they would be asked for when their claim is over.
  const askForEnded = database.prepare(`
    update tasks set poll_at = @pollAt
    where poll_at > @pollAt and polls = 0 and provider_task_id is null and completed_at is not null`)
  // One that ended while it was asked for is not asked for again.
  const setPoll = database.prepare(`
    update tasks set polls = polls + 1, poll_at = case when charge = 'possible' then @pollAt end,
      record_type = coalesce(record_type, @recordType)
    where id = @id`)
  const pollSoon = database.prepare("update tasks set poll_at = @at where id = @id and charge = 'possible'")

  return {
    ...claiming(database, move),

    taskSubmitted(a: {
      taskId: number
      providerTaskId: string | null
      traceId: string | null
      error?: ProviderError | null
      recordType?: string | null
      now: number
      pollAt: number | null
    }) {
      const { providerTaskId: taskId, traceId, error = null, recordType = null } = a
      const event = { type: 'accepted', taskId, traceId, error, ...(recordType === null ? {} : { recordType }) } as const
      return move(a.taskId, event, a.now, { pollAt: a.pollAt })?.outcome ?? null
    },

    taskRefused(a: { taskId: number; error: ProviderError; now: number }) {
      return move(a.taskId, { type: 'refused', error: a.error }, a.now)?.outcome ?? null
    },

    taskReleased(a: { taskId: number; dueAt: number; serverError: boolean; now: number }) {
      return move(a.taskId, { type: 'not_sent' }, a.now, { dueAt: a.dueAt, serverError: a.serverError })?.outcome ?? null
    },

    taskUnconfirmed(a: { taskId: number; error?: ProviderError | null; now: number; pollAt: number | null }) {
      return move(a.taskId, { type: 'unconfirmed', error: a.error ?? null }, a.now, { pollAt: a.pollAt })?.outcome ?? null
    },

    applyResult(a: {
      taskId: number
      result: Result
      source: Source
      now: number
      copyAt: number
      receipt: Receipt | null
    }): Applied {
      const { result } = a
      const moved = move(a.taskId, eventOf(result, a.source), a.now)
      if (moved === null) return { outcome: 'unknown', jobId: null, kept: false, arrived: null }
      // No result is ever `ignored`; the moves' table has no such case for one.
      const outcome = moved.outcome === 'ignored' ? 'duplicate' : moved.outcome
      const { jobId } = moved.before
      const kept = result.kind === 'succeeded' && outcome !== 'duplicate'
      if (kept) insertImages({ jobId, taskId: a.taskId, late: outcome === 'late', result, now: a.now, copyAt: a.copyAt })
      if (kept) addWarnings(jobId, result.warnings ?? [])
      if (a.receipt !== null)
        noteCallback({
          jobId,
          taskId: a.taskId,
          receivedAt: a.now,
          outcome,
          sizeBytes: a.receipt.sizeBytes,
          body: a.receipt.body,
          file: null,
        })
      return { outcome, jobId, kept, arrived: arrivalOf(moved, result.kind, a.now) }
    },

    callbackMalformed(a: { taskId: number; sizeBytes: number; file: string | null; now: number }): boolean {
      const jobId = jobOf.get({ id: a.taskId })?.job_id
      if (jobId === undefined) return false
      pollSoon.run({ id: a.taskId, at: a.now })
      changed(jobId)
      return noteCallback({ ...a, jobId, receivedAt: a.now, outcome: 'malformed', body: null })
    },

    taskPolled(a: { taskId: number; pollAt: number | null; recordType?: string | null }): void {
      setPoll.run({ id: a.taskId, pollAt: a.pollAt, recordType: a.recordType ?? null })
    },

    expireDue(a: { now: number; limit: number }): number {
      const due = overdue.all({ now: a.now, limit: a.limit })
      for (const { id } of due) move(id, { type: 'expired' }, a.now)
      return due.length
    },

    recoverClaims(a: { by: string; now: number; pollAt: number | null }): number {
      const rows = stranded.all({ by: a.by, now: a.now })
      for (const { id } of rows) move(id, { type: 'unconfirmed' }, a.now, { pollAt: a.pollAt })
      if (a.pollAt !== null) askForEnded.run({ pollAt: a.pollAt })
      return rows.length
    },

    cancelJob: canceler(database, move),
  }
}

/** A result as what happens to its task. */
function eventOf(result: Result, source: Source): TaskEvent {
  const { taskId, traceId, usage, costMicroCredits, recordType } = result
  const told = {
    taskId,
    traceId,
    ...(usage === undefined ? {} : { usage }),
    ...(costMicroCredits === undefined ? {} : { costMicroCredits }),
    ...(recordType === undefined ? {} : { recordType }),
  }
  return result.kind === 'succeeded'
    ? { type: 'succeeded', source, ...told }
    : { type: 'failed', source, error: result.error, mayBeBilled: result.mayBeBilled === true, ...told }
}

type TaskMove = ReturnType<typeof taskMover>['move']

function arrivalOf({ before, countedAs }: Moved, kind: Result['kind'], now: number): Arrival | null {
  if (countedAs === null) return null
  return { model: countedAs, kind, waitedMs: before.submittedAt === null ? null : now - before.submittedAt }
}

function canceler(database: Database.Database, move: TaskMove) {
  const tasks = database.prepare<{ jobId: string }, { id: number; status: TaskStatus }>(
    'select id, status from tasks where job_id = @jobId order by position',
  )
  return (a: { jobId: string; now: number }): 'canceled' | 'final' | 'unknown' => {
    const rows = tasks.all({ jobId: a.jobId })
    if (rows.length === 0) return 'unknown'
    const open = rows.filter(row => !isFinal(row.status))
    for (const { id } of open) move(id, { type: 'canceled' }, a.now)
    return open.length === 0 ? 'final' : 'canceled'
  }
}

/** Claims: which task is submitted next, and by whom. */
function claiming(database: Database.Database, move: TaskMove) {
  const running = database.prepare<{ since: number; now: number }, { count: number }>(`
    select (select count(*) from ${unfinishedTasks} and status in ('submitting', 'submitted'))
         + (select count(*) from ${unfinishedTasks} and status = 'unconfirmed' and submitted_at > @since and submitted_at <= @now) as count`)
  // The keys in turn, and of each key the oldest that is due: a key's thousand jobs don't hold up another key's first.
  const next = database.prepare<{ now: number }, { id: number; owner: string }>(`
    with waiting as (select distinct owner from tasks where status = 'queued')
    select (select id from tasks where status = 'queued' and owner = waiting.owner and due_at <= @now and expires_at > @now
      order by id limit 1) as id, owner
    from waiting left join turns using (owner)
    where id is not null
    order by coalesce(last_turn, 0), id limit 1`)
  const takeTurn = database.prepare(`
    insert into turns (owner, last_turn) values (@owner, (select coalesce(max(last_turn), 0) + 1 from turns))
    on conflict (owner) do update set last_turn = excluded.last_turn`)
  return {
    claimTasks(a: Claim): ClaimedTask[] {
      const places = a.maxInFlight - (running.get({ since: a.now - a.unconfirmedCountsMs, now: a.now })?.count ?? 0)
      let room = Math.min(places, a.limit ?? places)
      const claimed: ClaimedTask[] = []
      for (; room > 0; room -= 1) {
        const task = next.get({ now: a.now })
        if (task === undefined) break
        takeTurn.run({ owner: task.owner })
        // Where it ends before its outcome is known (canceled, say, and then a crash), it is looked for when the claim is over.
        const moved = move(task.id, { type: 'claimed' }, a.now, { claim: { by: a.by, until: a.until }, pollAt: a.until })
        if (moved === null) break
        claimed.push({ taskId: task.id, jobId: moved.before.jobId, attempts: moved.before.attempts + 1 })
      }
      return claimed
    },
  }
}

function callbackNoter(database: Database.Database) {
  // Beyond the last there is no position to be had, and without one no row. An `insert … select` that looks at its own table
  // would fill another one first. Positional as in move.ts.
  const insert = database.prepare(`
    insert or ignore into callbacks (job_id, position, task_id, received_at, size_bytes, outcome, body, file)
    values (?, (select count(*) from callbacks where job_id = ? having count(*) < ${maxCallbacksNoted}), ?, ?, ?, ?, ?, ?)`)
  return (row: {
    jobId: string
    taskId: number
    receivedAt: number
    sizeBytes: number
    outcome: string
    body: string | null
    file: string | null
  }): boolean => {
    const { jobId, taskId, receivedAt, sizeBytes, outcome, body, file } = row
    return insert.run(jobId, jobId, taskId, receivedAt, sizeBytes, outcome, body, file).changes === 1
  }
}
