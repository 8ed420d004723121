import type { InputRecord, JobRecord, TaskRecord } from '../domain/records.ts'

/*
 * Rows as SQLite gives them, and records as the steps know them. The casts are at this one border: the columns' types are
 * held by the STRICT schema and its CHECKs, which TypeScript cannot see.
 */

export type JobRow = Pick<JobRecord, 'id' | 'owner' | 'status' | 'model' | 'prompt' | 'n' | 'fingerprint'> & {
  params: string
  metadata: string
  warnings: string
  webhook_url: string | null
  webhook_events: string
  callback_url: string | null
  callback_base64: number
  retry_of: string | null
  created_at: number
  submitted_at: number | null
  completed_at: number | null
  expires_at: number
}

export type TaskRow = Pick<TaskRecord, 'id' | 'position' | 'status' | 'charge' | 'attempts' | 'source' | 'polls'> & {
  job_id: string
  owner: string
  server_errors: number
  due_at: number
  provider_task_id: string | null
  trace_id: string | null
  error: string | null
  poll_at: number | null
  submitted_at: number | null
  completed_at: number | null
  late_result_at: number | null
  usage: string | null
  cost_micro_credits: number | null
  record_type: string | null
  claimed_by: string | null
  claimed_until: number | null
  expires_at: number
}

export type FileColumns = {
  file: string | null
  content_type: string | null
  size_bytes: number | null
  sha256: string | null
  width: number | null
  height: number | null
}

export type ImageRow = FileColumns & {
  position: number
  task_id: number
  late: number
  provider_url: string | null
  copy_at: number | null
  copy_error: string | null
  revised_prompt: string | null
  created: number | null
  arrived_at: number
}

export type InputRow = FileColumns & Pick<InputRecord, 'position' | 'role' | 'url'>

/** Why a task has no picture, as it is stored. */
export function parsedError(text: string | null): TaskRecord['error'] {
  // Written by this program as JSON of a ProviderError, and by nobody else.
  return text === null ? null : (JSON.parse(text) as TaskRecord['error'])
}

/** What a task's result says that it used, as it is stored. */
export function parsedUsage(text: string | null): TaskRecord['usage'] {
  // Written by this program as JSON of a Usage, and by nobody else.
  return text === null ? null : (JSON.parse(text) as TaskRecord['usage'])
}

export function taskFromRow(row: TaskRow): TaskRecord {
  return {
    id: row.id,
    jobId: row.job_id,
    position: row.position,
    status: row.status,
    charge: row.charge,
    attempts: row.attempts,
    serverErrors: row.server_errors,
    dueAt: row.due_at,
    providerTaskId: row.provider_task_id,
    traceId: row.trace_id,
    source: row.source,
    submittedAt: row.submitted_at,
    completedAt: row.completed_at,
    error: parsedError(row.error),
    lateResultAt: row.late_result_at,
    usage: parsedUsage(row.usage),
    costMicroCredits: row.cost_micro_credits,
    recordType: row.record_type,
    polls: row.polls,
    expiresAt: row.expires_at,
  }
}

/**
 * Tasks that have not ended, by the index that holds only them. `indexed by` makes a statement that cannot use it an error
 * instead of a walk through all tasks.
 */
export const unfinishedTasks = 'tasks indexed by tasks_unfinished where completed_at is null'
