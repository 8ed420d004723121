import type Database from 'better-sqlite3'
import type { CallbackRecord, DueCopy, DuePoll, IdempotencyRecord, JobRecord, TaskRef } from '../domain/records.ts'
import { makeJobLists } from './job-lists.ts'
import { deliveryReads, eventReads } from './outbox.ts'
import { jobReader } from './read-job.ts'
import { unfinishedTasks } from './rows.ts'
import { traceReads } from './traces.ts'

/** What is asked of the store, on a connection that cannot write. */
export function makeReads(database: Database.Database) {
  const readJob = jobReader(database)
  const jobIdsByTask = database.prepare<{ taskId: string }, { job_id: string }>(
    'select job_id from tasks where provider_task_id = (select @taskId) order by id desc limit 10',
  )
  const durations = database.prepare<{ limit: number }, { model: string; size: string | null; durationMs: number }>(`
    select model, json_extract(params, '$.size') as size, completed_at - submitted_at as durationMs from (
      select model, params, status, completed_at, submitted_at from jobs
      where completed_at is not null order by completed_at desc limit @limit * 10)
    where status = 'succeeded' and submitted_at is not null limit @limit`)
  const taskById = database.prepare<{ id: number }, TaskRef>('select id as taskId, job_id as jobId from tasks where id = @id')
  // All at one state of the database.
  const readJobs = database.transaction((rows: { job_id: string }[]): JobRecord[] =>
    rows.map(({ job_id: id }) => readJob(id)).filter(job => job !== null),
  )

  return {
    async job(id: string): Promise<JobRecord | null> {
      return readJob(id)
    },
    async jobsByProviderTask(taskId: string): Promise<JobRecord[]> {
      return readJobs(jobIdsByTask.all({ taskId }))
    },
    async recentDurations(limit: number): Promise<{ model: string; size: string | null; durationMs: number }[]> {
      return durations.all({ limit })
    },
    ...makeJobLists(database, readJob),
    ...traceReads(database, readJobs),
    async taskRef(id: number): Promise<TaskRef | null> {
      return taskById.get({ id }) ?? null
    },
    ...dueReads(database),
    ...historyReads(database),
    ...deliveryReads(database),
    ...eventReads(database),
  }
}

/** What the steps have to do, and when the next of it is due. */
function dueReads(database: Database.Database) {
  const queuedDue = database.prepare<[], { at: number | null }>("select min(due_at) as at from tasks where status = 'queued'")
  const expiry = database.prepare<[], { at: number | null }>(`
    select min(at) as at from (
      select min(expires_at) as at from ${unfinishedTasks} and status = 'queued'
      union all select min(expires_at) from ${unfinishedTasks} and status = 'submitting'
      union all select min(expires_at) from ${unfinishedTasks} and status = 'submitted'
      union all select min(expires_at) from ${unfinishedTasks} and status = 'unconfirmed')`)
  const polls = database.prepare<{ now: number; limit: number }, DuePoll>(`
    select id as taskId, job_id as jobId, provider_task_id as providerTaskId, polls, status, submitted_at as submittedAt,
      expires_at as expiresAt
    from tasks where poll_at <= @now order by poll_at limit @limit`)
  const pollAt = database.prepare<[], { at: number | null }>('select min(poll_at) as at from tasks where poll_at is not null')
  const copyHost = database
    .prepare<{ after: string }, string | null>(
      'select min(copy_host) from images where copy_at is not null and copy_host > @after',
    )
    .pluck()
  const copies = database.prepare<{ host: string; isRetry: number; now: number; limit: number }, DueCopy>(`
    select job_id as jobId, position, provider_url as providerUrl, copy_host as host, copy_attempts as attempts, copy_at as copyAt,
      arrived_at as arrivedAt
    from images indexed by images_to_copy_by_host
    where copy_at is not null and copy_host = @host and (copy_attempts > 0) = @isRetry and copy_at <= @now order by copy_at limit @limit`)
  const copyAt = database.prepare<{ after: number }, { at: number | null }>(
    'select min(copy_at) as at from images where copy_at > @after',
  )
  return {
    async nextQueuedAt(): Promise<number | null> {
      return queuedDue.get()?.at ?? null
    },
    async nextExpiryAt(): Promise<number | null> {
      return expiry.get()?.at ?? null
    },
    async duePolls(now: number, limit: number): Promise<DuePoll[]> {
      return polls.all({ now, limit })
    },
    async nextPollAt(): Promise<number | null> {
      return pollAt.get()?.at ?? null
    },
    async dueCopies(now: number, limit: number): Promise<DueCopy[]> {
      const due: DueCopy[] = []
      // From host to host: what is due from a dead one may be a hundred thousand, and is not walked through.
      for (let host = copyHost.get({ after: '' }); typeof host === 'string'; host = copyHost.get({ after: host }))
        for (const isRetry of [0, 1]) due.push(...copies.all({ host, isRetry, now, limit }))
      return due
    },
    async nextCopyAt(after = 0): Promise<number | null> {
      return copyAt.get({ after })?.at ?? null
    },
  }
}

function historyReads(database: Database.Database) {
  const callbacks = database.prepare<{ jobId: string }, CallbackRecord>(`
    select received_at as receivedAt, size_bytes as sizeBytes, outcome, body, file from callbacks where job_id = (select @jobId) order by position`)
  const key = database.prepare<
    { owner: string; key: string },
    { job_id: string; fingerprint: string; created_at: number; answer: string | null }
  >('select * from idempotency_keys where owner = @owner and key = @key')
  const integrity = database.prepare<[], { one: number }>('select 1 as one from jobs limit 1')
  const hold = database.prepare<{ now: number }, { at: number | null }>(
    'select max(until_at) as at from holds where until_at > @now',
  )
  const exists = database.prepare<{ jobId: string }, { one: number }>('select 1 as one from jobs where id = @jobId')
  const files = database.prepare<{ jobId: string }, { file: string }>(`
    select file from inputs where job_id = @jobId and file is not null
    union all select file from images where job_id = @jobId and file is not null
    union all select file from callbacks where job_id = @jobId and file is not null`)
  return {
    async callbacks(jobId: string): Promise<CallbackRecord[]> {
      return callbacks.all({ jobId })
    },
    async idempotencyKey(owner: string, name: string): Promise<IdempotencyRecord | null> {
      const row = key.get({ owner, key: name })
      if (row === undefined) return null
      // Written by this program as JSON of a JobRecord, and by nobody else.
      const answer = row.answer === null ? null : (JSON.parse(row.answer) as JobRecord)
      return { jobId: row.job_id, fingerprint: row.fingerprint, createdAt: row.created_at, answer }
    },
    async probe(): Promise<void> {
      integrity.get()
    },
    async heldUntil(now: number): Promise<number | null> {
      return hold.get({ now })?.at ?? null
    },
    async filesOf(jobId: string): Promise<string[] | null> {
      return exists.get({ jobId }) === undefined ? null : files.all({ jobId }).map(row => row.file)
    },
  }
}
