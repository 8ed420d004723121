import type Database from 'better-sqlite3'
import type { JobEventType } from '../domain/events.ts'
import { isFinal, type JobStatus, jobStatus, type MoveOutcome, moveTask, type TaskEvent, type TaskStatus } from '../domain/job.ts'
import type { TaskRecord } from '../domain/records.ts'
import type { Changed } from './commands.ts'
import { type TaskRow, taskFromRow } from './rows.ts'
import { deliveryQueue } from './write-deliveries.ts'

export type Moved = { outcome: MoveOutcome; before: TaskRecord }

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
export function taskMover(database: Database.Database, changed: Changed) {
  const select = database.prepare<{ id: number }, TaskRow>('select * from tasks where id = @id')
  const update = database.prepare(`
    update tasks set
      status = @status, attempts = @attempts, charge = @charge, provider_task_id = @providerTaskId, trace_id = @traceId,
      source = @source, submitted_at = @submittedAt, completed_at = @completedAt, error = @error,
      late_result_at = @lateResultAt, due_at = @dueAt, poll_at = @pollAt, server_errors = @serverErrors,
      claimed_by = @claimedBy, claimed_until = @claimedUntil
    where id = @id and status = @from`)
  const statuses = database.prepare<{ jobId: string }, { status: TaskStatus; submitted_at: number | null }>(
    'select status, submitted_at from tasks where job_id = @jobId',
  )
  const job = database.prepare<{ id: string }, JobHead>(
    'select id, owner, status, submitted_at, webhook_url, webhook_events, callback_url from jobs where id = @id',
  )
  const updateJob = database.prepare(`
    update jobs set status = @status, submitted_at = @submittedAt, completed_at = @completedAt
    where id = @id and status in ('queued', 'processing')`)
  const queueDelivery = deliveryQueue(database)
  const insertEvent = database.prepare('insert into events (job_id, owner, type, at) values (@jobId, @owner, @type, @at)')

  /** Brings a job in line with its tasks. */
  function refreshJob(jobId: string, now: number): void {
    const head = job.get({ id: jobId })
    if (head === undefined || isFinal(head.status)) return
    const rows = statuses.all({ jobId })
    const status = jobStatus(rows.map(row => row.status))
    const times = rows.map(row => row.submitted_at).filter(at => at !== null)
    const submittedAt = times.length === 0 ? null : Math.min(...times)
    if (status !== head.status || submittedAt !== head.submitted_at)
      updateJob.run({ id: jobId, status, submittedAt, completedAt: isFinal(status) ? now : null })
    // A claim alone is no news: the submit may turn out not to have been accepted, and be tried again.
    if (head.submitted_at === null && submittedAt !== null) tell(head, 'job.processing', now)
    const end = endEvents[status]
    if (end !== null) tell(head, end, now)
  }

  function tell(head: JobHead, type: JobEventType, at: number): void {
    insertEvent.run({ jobId: head.id, owner: head.owner, type, at })
    if (head.webhook_url !== null && wantsEvent(head, type))
      queueDelivery({ jobId: head.id, kind: 'webhook', type, url: head.webhook_url, at })
    // A client's own callback is told of the result alone, once.
    if (head.callback_url !== null && endTypes.has(type))
      queueDelivery({ jobId: head.id, kind: 'callback', type, url: head.callback_url, at })
  }

  function move(id: number, event: TaskEvent, now: number, options: MoveOptions = {}): Moved | null {
    const row = select.get({ id })
    if (row === undefined) return null
    const before = taskFromRow(row)
    const { outcome, task } = moveTask(before, event, now)
    if (task !== before) {
      const claim = task.status === 'submitting' ? options.claim : undefined
      const { changes } = update.run({
        id,
        from: before.status,
        ...task,
        error: task.error === null ? null : JSON.stringify(task.error),
        dueAt: options.dueAt ?? before.dueAt,
        pollAt: pollAtAfter(row.poll_at, task, options),
        serverErrors: before.serverErrors + (options.serverError === true ? 1 : 0),
        claimedBy: claim?.by ?? null,
        claimedUntil: claim?.until ?? null,
      })
      if (changes !== 1) throw new Error(`task ${id} left the state ${before.status} between reading and writing`)
      changed(before.jobId)
    }
    if (task.status !== before.status || task.submittedAt !== before.submittedAt) refreshJob(before.jobId, now)
    if (outcome === 'late' && event.type === 'succeeded') {
      const head = job.get({ id: before.jobId })
      if (head !== undefined) tell(head, 'job.late_result', now)
    }
    return { outcome, before }
  }

  return { move, tell }
}

type JobHead = {
  id: string
  owner: string
  status: JobStatus
  submitted_at: number | null
  webhook_url: string | null
  webhook_events: string
  callback_url: string | null
}

function wantsEvent(head: JobHead, type: JobEventType): boolean {
  // Written by this program as a JSON array of these very texts.
  return (JSON.parse(head.webhook_events) as JobEventType[]).includes(type)
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
