import type Database from 'better-sqlite3'
import type { JobEventType } from '../domain/events.ts'
import { isFinal, type JobStatus, jobStatus, type MoveOutcome, moveTask, type TaskEvent, type TaskStatus } from '../domain/job.ts'
import type { TaskRecord } from '../domain/records.ts'
import type { Changed } from './commands.ts'
import { type TaskRow, taskFromRow } from './rows.ts'
import type { Moves } from './tally.ts'
import { deliveryQueue } from './write-deliveries.ts'

export type Moved = {
  outcome: MoveOutcome
  before: TaskRecord
  /** What its job's model is counted as; null where neither the task nor its job changed. */
  countedAs: string | null
}

export type MoveOptions = {
  /** queued again: not to be submitted before. */
  dueAt?: number
  /** When to ask the provider for it, where the event makes it something to ask for. */
  pollAt?: number | null
  /** The provider answered 500. */
  serverError?: boolean
  claim?: { by: string; until: number }
}

/**
 * Moves tasks, and with them their jobs: the only place that writes a task's or a job's status.
 * What ends a job, its history and the notice to send of it are written together.
 */
export function taskMover(database: Database.Database, changed: Changed, tally: Moves) {
  // Positional parameters in what every result writes: SQLite's wrapper looks each named one up, which costs more than binding.
  const select = database.prepare<[number], TaskRow>('select * from tasks where id = ?')
  const update = changedColumnsUpdate(database)
  const summaries = database.prepare<[string], TaskSummary>('select status, submitted_at from tasks where job_id = ?')
  const selectHead = database.prepare<[string], JobHead>(`
    select id, owner, status, counted_as as countedAs, submitted_at as submittedAt, webhook_url as webhookUrl, webhook_events as webhookEvents,
      callback_url as callbackUrl, (select count(*) from tasks where job_id = jobs.id) as tasks
    from jobs where id = ?`)
  const updateJob = database.prepare(`
    update jobs set status = ?, submitted_at = ?, completed_at = ?
    where id = ? and status in ('queued', 'processing')`)
  const queueDelivery = deliveryQueue(database)
  const insertEvent = database.prepare('insert into events (job_id, owner, type, at) values (?, ?, ?, ?)')

  /** Brings a job in line with its tasks. */
  function refreshJob(head: JobHead, moved: TaskSummary, now: number): void {
    if (isFinal(head.status)) return
    const tasks = head.tasks === 1 ? [moved] : summaries.all(head.id)
    const status = jobStatus(tasks.map(task => task.status))
    const times = tasks.map(task => task.submitted_at).filter(at => at !== null)
    const submittedAt = times.length === 0 ? null : Math.min(...times)
    if (status !== head.status || submittedAt !== head.submittedAt)
      updateJob.run(status, submittedAt, isFinal(status) ? now : null, head.id)
    if (status !== head.status) tally.jobMoved(head.countedAs, head.status, status)
    // A claim alone is no news: the submit may turn out not to have been accepted, and be tried again.
    if (head.submittedAt === null && submittedAt !== null) tell(head, 'job.processing', now)
    const end = endEvents[status]
    if (end !== null) tell(head, end, now)
  }

  function tell(head: JobHead, type: JobEventType, at: number): void {
    insertEvent.run(head.id, head.owner, type, at)
    if (head.webhookUrl !== null && wantsEvent(head, type))
      queueDelivery({ jobId: head.id, kind: 'webhook', type, url: head.webhookUrl, at })
    // A client's own callback is told of the result alone, once.
    if (head.callbackUrl !== null && endTypes.has(type))
      queueDelivery({ jobId: head.id, kind: 'callback', type, url: head.callbackUrl, at })
  }

  function move(id: number, event: TaskEvent, now: number, options: MoveOptions = {}): Moved | null {
    const row = select.get(id)
    if (row === undefined) return null
    const before = taskFromRow(row)
    const { outcome, task } = moveTask(before, event, now)
    if (task !== before) {
      const claim = task.status === 'submitting' ? options.claim : undefined
      const changes = update(row, {
        status: task.status,
        attempts: task.attempts,
        charge: task.charge,
        provider_task_id: task.providerTaskId,
        trace_id: task.traceId,
        source: task.source,
        submitted_at: task.submittedAt,
        completed_at: task.completedAt,
        error: task.error === null ? null : JSON.stringify(task.error),
        late_result_at: task.lateResultAt,
        usage: task.usage === null ? null : JSON.stringify(task.usage),
        cost_micro_credits: task.costMicroCredits,
        record_type: task.recordType,
        due_at: options.dueAt ?? before.dueAt,
        poll_at: pollAtAfter(row.poll_at, task, options),
        server_errors: before.serverErrors + (options.serverError === true ? 1 : 0),
        claimed_by: claim?.by ?? null,
        claimed_until: claim?.until ?? null,
      })
      if (changes !== 1) throw new Error(`task ${id} left the state ${before.status} between reading and writing`)
      changed(before.jobId)
    }
    const isMoved = task.status !== before.status || task.submittedAt !== before.submittedAt
    const isLate = outcome === 'late' && event.type === 'succeeded'
    const head = isMoved || isLate ? selectHead.get(before.jobId) : undefined
    if (head !== undefined && isMoved) refreshJob(head, { status: task.status, submitted_at: task.submittedAt }, now)
    if (head !== undefined && isLate) tell(head, 'job.late_result', now)
    return { outcome, before, countedAs: head?.countedAs ?? null }
  }

  return { move }
}

type Column = keyof TaskRow

/**
 * Writes what differs from a row, and only that: SQLite writes the index of every column that a statement names, changed or
 * not. The row must still be in the state in which it was read. @returns how many rows were written.
 */
function changedColumnsUpdate(database: Database.Database) {
  const statements = new Map<string, Database.Statement>()
  return (row: TaskRow, values: Partial<TaskRow>): number => {
    // The keys of a literal of that very type.
    const columns = (Object.keys(values) as Column[]).filter(column => values[column] !== row[column])
    if (columns.length === 0) return 1
    const key = columns.join()
    let statement = statements.get(key)
    if (statement === undefined) {
      const settings = columns.map(column => `${column} = ?`).join(', ')
      statement = database.prepare(`update tasks set ${settings} where id = ? and status = ?`)
      statements.set(key, statement)
    }
    return statement.run(...columns.map(column => values[column]), row.id, row.status).changes
  }
}

type TaskSummary = Pick<TaskRow, 'status' | 'submitted_at'>

type JobHead = {
  id: string
  owner: string
  status: JobStatus
  countedAs: string
  submittedAt: number | null
  webhookUrl: string | null
  webhookEvents: string
  callbackUrl: string | null
  /** How many it has. */
  tasks: number
}

function wantsEvent(head: JobHead, type: JobEventType): boolean {
  // Written by this program as a JSON array of these very texts.
  return (JSON.parse(head.webhookEvents) as JobEventType[]).includes(type)
}

const endEvents: Readonly<Record<JobStatus, JobEventType | null>> = {
  queued: null,
  processing: null,
  succeeded: 'job.succeeded',
  failed: 'job.failed',
  canceled: 'job.canceled',
  expired: 'job.expired',
}

const endTypes: ReadonlySet<JobEventType> = new Set(Object.values(endEvents).filter(type => type !== null))

/** A task is asked for at the provider as long as it may still be making a picture there, past its own end too. */
function pollAtAfter(current: number | null, task: { status: TaskStatus; charge: string }, options: MoveOptions): number | null {
  if (task.status === 'queued' || task.charge !== 'possible') return null
  return options.pollAt === undefined ? current : options.pollAt
}
