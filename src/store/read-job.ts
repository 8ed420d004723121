import type Database from 'better-sqlite3'
import type { FileFacts, ImageRecord, InputRecord, JobRecord, TaskRecord } from '../domain/records.ts'
import { queuePositionReader } from './queue-position.ts'
import { type FileColumns, type ImageRow, type InputRow, type JobRow, parsedError, parsedUsage, type TaskRow } from './rows.ts'

/*
 * A job with all that belongs to it, by one statement: that sees one state of the database without a transaction around it, and
 * much of what a small statement costs is to begin and to end it. Its lines are arrays: their columns are of different tables,
 * which the first value tells apart.
 */

const jobColumns = [
  ...(['id', 'owner', 'status', 'model', 'prompt', 'params', 'metadata', 'warnings', 'webhook_events', 'n'] as const),
  ...(['webhook_url', 'fingerprint', 'callback_url', 'callback_base64', 'retry_of'] as const),
  ...(['created_at', 'submitted_at', 'completed_at', 'expires_at'] as const),
] as const satisfies readonly (keyof JobRow)[]

const taskColumns = [
  ...(['id', 'job_id', 'position', 'status', 'charge', 'attempts', 'server_errors', 'due_at'] as const),
  ...(['provider_task_id', 'trace_id', 'source', 'submitted_at', 'completed_at', 'error'] as const),
  ...(['late_result_at', 'polls', 'expires_at', 'usage', 'cost_micro_credits', 'record_type'] as const),
] as const satisfies readonly (keyof TaskRow)[]

/** First, wherever there is a file. */
const fileColumns = ['file', 'content_type', 'size_bytes', 'sha256', 'width', 'height'] as const

const imageColumns = [
  ...fileColumns,
  ...([
    'position',
    'task_id',
    'late',
    'provider_url',
    'copy_at',
    'copy_error',
    'revised_prompt',
    'created',
    'arrived_at',
  ] as const),
] as const satisfies readonly (keyof ImageRow)[]

const inputColumns = [...fileColumns, 'position', 'role', 'url'] as const satisfies readonly (keyof InputRow)[]

/** The values of some columns, in their order. */
type Values<Row, Columns extends readonly (keyof Row)[]> = { -readonly [I in keyof Columns]: Row[Columns[I]] }

type JobLine = [table: 0, ...Values<JobRow, typeof jobColumns>]
type TaskLine = [table: 1, ...Values<TaskRow, typeof taskColumns>]
type ImageLine = [table: 2, ...Values<ImageRow, typeof imageColumns>]
type InputLine = [table: 3, ...Values<InputRow, typeof inputColumns>]
type Line = JobLine | TaskLine | ImageLine | InputLine

/** All lines of one statement are of one length: the longest's. */
const lineLength = Math.max(...[jobColumns, taskColumns, imageColumns, inputColumns].map(columns => columns.length))

function select(columns: readonly string[]): string {
  return [...columns, ...Array.from({ length: lineLength - columns.length }, () => 'null')].join(', ')
}

/** Looks up each table by its key: none is walked through. */
export const jobSql = `
  select 0, ${select(jobColumns)} from jobs where id = @id
  union all select 1, ${select(taskColumns)} from tasks where job_id = @id
  union all select 2, ${select(imageColumns)} from images where job_id = @id
  union all select 3, ${select(inputColumns)} from inputs where job_id = @id`

function taskOf(line: TaskLine): TaskRecord {
  return {
    id: line[1],
    jobId: line[2],
    position: line[3],
    status: line[4],
    charge: line[5],
    attempts: line[6],
    serverErrors: line[7],
    dueAt: line[8],
    providerTaskId: line[9],
    traceId: line[10],
    source: line[11],
    submittedAt: line[12],
    completedAt: line[13],
    error: parsedError(line[14]),
    lateResultAt: line[15],
    polls: line[16],
    expiresAt: line[17],
    usage: parsedUsage(line[18]),
    costMicroCredits: line[19],
    recordType: line[20],
  }
}

function factsOf(line: [table: 2 | 3, ...Values<FileColumns, typeof fileColumns>, ...unknown[]]): FileFacts {
  return { file: line[1], contentType: line[2], sizeBytes: line[3], sha256: line[4], width: line[5], height: line[6] }
}

function imageOf(line: ImageLine): ImageRecord {
  return {
    ...factsOf(line),
    position: line[7],
    taskId: line[8],
    late: line[9] === 1,
    providerUrl: line[10],
    copyAt: line[11],
    copyError: line[12],
    revisedPrompt: line[13],
    created: line[14],
    arrivedAt: line[15],
  }
}

const inputOf = (line: InputLine): InputRecord => ({ ...factsOf(line), position: line[7], role: line[8], url: line[9] })

function jobOf(line: JobLine, parts: Pick<JobRecord, 'tasks' | 'images' | 'inputs'>): JobRecord {
  return {
    id: line[1],
    owner: line[2],
    status: line[3],
    model: line[4],
    prompt: line[5],
    // These four were written by this program as JSON of these very types; the schema checks that they are JSON.
    params: JSON.parse(line[6]) as JobRecord['params'],
    metadata: JSON.parse(line[7]) as JobRecord['metadata'],
    warnings: JSON.parse(line[8]) as JobRecord['warnings'],
    webhookEvents: JSON.parse(line[9]) as JobRecord['webhookEvents'],
    n: line[10],
    webhookUrl: line[11],
    fingerprint: line[12],
    clientCallback: line[13] === null ? null : { url: line[13], base64: line[14] === 1 },
    retryOf: line[15],
    createdAt: line[16],
    submittedAt: line[17],
    completedAt: line[18],
    expiresAt: line[19],
    queuePosition: null,
    ...parts,
  }
}

/** SQLite promises no order between the lines of such a statement. */
const inOrder = <Part extends { position: number }>(parts: Part[]): Part[] =>
  parts.length < 2 ? parts : parts.toSorted((a, b) => a.position - b.position)

/** Reads one job; null where there is none. */
export function jobReader(database: Database.Database): (id: string) => JobRecord | null {
  const queuePosition = queuePositionReader(database)
  // The lines are what the text above says, of columns whose types the STRICT schema holds.
  const lines = database.prepare<{ id: string }>(jobSql).raw() as Database.Statement<[{ id: string }], Line>
  return id => {
    let job: JobLine | null = null
    const tasks: TaskRecord[] = []
    const images: ImageRecord[] = []
    const inputs: InputRecord[] = []
    for (const line of lines.all({ id })) {
      if (line[0] === 0) job = line
      else if (line[0] === 1) tasks.push(taskOf(line))
      else if (line[0] === 2) images.push(imageOf(line))
      else inputs.push(inputOf(line))
    }
    if (job === null) return null
    const read = jobOf(job, { tasks: inOrder(tasks), images: inOrder(images), inputs: inOrder(inputs) })
    return read.status === 'queued' ? { ...read, queuePosition: queuePosition(read) } : read
  }
}
