import type { FileFacts, ImageRecord, InputRecord, JobRecord, TaskRecord } from '../domain/records.ts'

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
  claimed_by: string | null
  claimed_until: number | null
  expires_at: number
}

type FileColumns = {
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
  revised_prompt: string | null
  created: number | null
  arrived_at: number
}

export type InputRow = FileColumns & Pick<InputRecord, 'position' | 'role' | 'url'>

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
    // Written by this program as JSON of a ProviderError, and by nobody else.
    error: row.error === null ? null : (JSON.parse(row.error) as TaskRecord['error']),
    lateResultAt: row.late_result_at,
    polls: row.polls,
    expiresAt: row.expires_at,
  }
}

function factsFromRow(row: FileColumns): FileFacts {
  return {
    file: row.file,
    contentType: row.content_type,
    sizeBytes: row.size_bytes,
    sha256: row.sha256,
    width: row.width,
    height: row.height,
  }
}

export function imageFromRow(row: ImageRow): ImageRecord {
  return {
    ...factsFromRow(row),
    position: row.position,
    taskId: row.task_id,
    late: row.late === 1,
    providerUrl: row.provider_url,
    copyAt: row.copy_at,
    revisedPrompt: row.revised_prompt,
    created: row.created,
    arrivedAt: row.arrived_at,
  }
}

export function inputFromRow(row: InputRow): InputRecord {
  return { ...factsFromRow(row), position: row.position, role: row.role, url: row.url }
}

export function jobFromRows(row: JobRow, tasks: TaskRow[], images: ImageRow[], inputs: InputRow[]): JobRecord {
  return {
    id: row.id,
    owner: row.owner,
    status: row.status,
    model: row.model,
    prompt: row.prompt,
    // These four were written by this program as JSON of these very types; the schema checks that they are JSON.
    params: JSON.parse(row.params) as JobRecord['params'],
    metadata: JSON.parse(row.metadata) as JobRecord['metadata'],
    warnings: JSON.parse(row.warnings) as JobRecord['warnings'],
    webhookEvents: JSON.parse(row.webhook_events) as JobRecord['webhookEvents'],
    n: row.n,
    webhookUrl: row.webhook_url,
    fingerprint: row.fingerprint,
    clientCallback: row.callback_url === null ? null : { url: row.callback_url, base64: row.callback_base64 === 1 },
    retryOf: row.retry_of,
    createdAt: row.created_at,
    submittedAt: row.submitted_at,
    completedAt: row.completed_at,
    expiresAt: row.expires_at,
    tasks: tasks.map(taskFromRow),
    images: images.map(imageFromRow),
    inputs: inputs.map(inputFromRow),
  }
}

/**
 * Tasks that have not ended, by the index that holds only them. `indexed by` makes a statement that cannot use it an error
 * instead of a walk through all tasks.
 */
export const unfinishedTasks = 'tasks indexed by tasks_unfinished where completed_at is null'
