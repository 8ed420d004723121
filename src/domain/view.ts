import { costView, usageView } from './cost.ts'
import type { JobStatus } from './job.ts'
import { unknownType } from './picture.ts'
import { copyState, type ImageRecord, type InputRecord, type JobRecord, type TaskRecord } from './records.ts'
import type { ProviderError } from './result.ts'

/** Makes the URLs that a job shows. */
export type Links = {
  job(jobId: string): string
  image(jobId: string, position: number): string
  input(jobId: string, position: number): string
}

export type JobError = { code: string; message: string; type: string; trace_id: string | null; retryable: boolean }

/** Codes after which the same request may well succeed when it is sent again, at once or after the account was put right. */
const retryable = new Set([
  'api_error',
  'too_many_requests',
  'rate_limited',
  'timeout',
  'provider_unreachable',
  'expired',
  'no_result',
  'provider_error',
  'used_up',
  'disabled',
  'invalid_token',
  'token_expired',
  'redirected',
])

function typeOf(code: string): string {
  if (code === 'invalid_token' || code === 'token_expired' || code === 'token_mismatched' || code === 'no_token')
    return 'authentication_error'
  if (code === 'used_up' || code === 'disabled' || code === 'forbidden') return 'permission_error'
  if (code === 'bad_request' || code === 'api_not_implemented' || code === 'payload_too_large') return 'invalid_request_error'
  if (code === 'too_many_requests' || code === 'rate_limited') return 'rate_limit_error'
  return 'api_error'
}

export function jobError(error: ProviderError): JobError {
  const { code, message, traceId } = error
  return { code, message, type: typeOf(code), trace_id: traceId, retryable: retryable.has(code) }
}

const expiredError: ProviderError = { code: 'expired', message: 'no result came before the deadline (expires_at)', traceId: null }

/** Why a task has no picture; null where it is not over, has one, or was canceled. */
function errorOfTask(task: TaskRecord): ProviderError | null {
  // What the provider had said of its submit, unless a picture has proved it wrong since.
  const expired = (task.lateResultAt === null ? task.error : null) ?? expiredError
  const error = task.status === 'expired' ? expired : task.status === 'failed' ? task.error : null
  return error === null ? null : { ...error, traceId: error.traceId ?? task.traceId }
}

/** As above; and of one that may be running, what the provider said against its submit. */
function errorSoFar(task: TaskRecord): ProviderError | null {
  return task.status === 'unconfirmed' || task.status === 'submitted' ? task.error : errorOfTask(task)
}

const dayMs = 86_400_000
const twoDigits = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'))
const threeDigits = Array.from({ length: 1_000 }, (_, number) => String(number).padStart(3, '0'))
/** The day that was written last: most times of a job, and of a page of jobs, are of one day. */
let lastDay = { day: Number.NaN, text: '' }

/** As `toISOString` of a Date, at a sixth of its cost: a job has seven times, a page of jobs more than a hundred. */
function isoText(at: number): string {
  const day = Math.floor(at / dayMs)
  // What stands before hh:mm:ss.mmmZ.
  if (day !== lastDay.day) lastDay = { day, text: new Date(at).toISOString().slice(0, -13) }
  const ms = at - day * dayMs
  const s = Math.floor(ms / 1_000)
  const [hours, minutes, seconds] = [twoDigits[Math.floor(s / 3_600)], twoDigits[Math.floor(s / 60) % 60], twoDigits[s % 60]]
  return `${lastDay.text}${hours}:${minutes}:${seconds}.${threeDigits[Math.floor(ms % 1_000)]}Z`
}

/** Milliseconds since 1970 as RFC 3339, UTC. */
export function timestamp(at: number): string
export function timestamp(at: number | null): string | null
export function timestamp(at: number | null): string | null {
  return at === null ? null : isoText(at)
}

function taskView(task: TaskRecord) {
  const error = errorSoFar(task)
  return {
    task_id: task.providerTaskId,
    status: task.status,
    attempts: task.attempts,
    trace_id: task.traceId,
    source: task.source,
    submitted_at: timestamp(task.submittedAt),
    completed_at: timestamp(task.completedAt),
    error: error === null ? null : jobError(error),
  }
}

function imageView(jobId: string, image: ImageRecord, links: Links) {
  return {
    url: links.image(jobId, image.position),
    provider_url: image.providerUrl,
    revised_prompt: image.revisedPrompt,
    sha256: image.sha256,
    bytes: image.sizeBytes,
    content_type: image.contentType,
    width: image.width,
    height: image.height,
    stored: copyState(image) === 'stored',
  }
}

/** What there is to say of a picture that is not what it should be; null where there is nothing. */
function imageWarning(image: ImageRecord): string | null {
  const which = `the picture images/${image.position}`
  if (copyState(image) === 'given_up')
    return `${which} could not be copied: its URL ${image.copyError ?? 'was given up'}. It may still be at provider_url, and a GET of it tries again`
  if (image.contentType === unknownType)
    return `${which} is of a kind that is not known here: its bytes are kept as ${unknownType}, without a width and a height`
  return null
}

function resultView(jobId: string, images: readonly ImageRecord[], links: Links) {
  const [first] = images
  if (first === undefined) return null
  // Some models always report 0: then the time at which it came is the nearest to the truth.
  const created = first.created ?? Math.floor(first.arrivedAt / 1_000)
  return { created, data: images.map(image => imageView(jobId, image, links)) }
}

function inputView(jobId: string, input: InputRecord, links: Links) {
  return {
    role: input.role,
    url: input.url ?? links.input(jobId, input.position),
    content_type: input.contentType,
    bytes: input.sizeBytes,
  }
}

function firstError(status: JobStatus, job: JobRecord): JobError | null {
  if (status !== 'failed' && status !== 'expired') return null
  const wanted = job.tasks.find(task => task.status === status) ?? job.tasks[0]
  const error = wanted === undefined ? null : errorOfTask(wanted)
  return error === null ? null : jobError(error)
}

/** A job as clients see it. */
export function jobView(job: JobRecord, links: Links) {
  const self = links.job(job.id)
  return {
    id: job.id,
    task_id: job.tasks[0]?.providerTaskId ?? null,
    status: job.status,
    model: job.model,
    prompt: job.prompt,
    params: job.params,
    n: job.n,
    metadata: job.metadata,
    inputs: job.inputs.map(input => inputView(job.id, input, links)),
    warnings: [...job.warnings, ...job.images.map(imageWarning).filter(warning => warning !== null)],
    cost: costView(job),
    usage: usageView(job),
    tasks: job.tasks.map(taskView),
    queue_position: job.queuePosition,
    result: resultView(
      job.id,
      job.images.filter(image => !image.late),
      links,
    ),
    late_result: resultView(
      job.id,
      job.images.filter(image => image.late),
      links,
    ),
    error: firstError(job.status, job),
    errors: job.tasks
      .map(errorOfTask)
      .filter(error => error !== null)
      .map(jobError),
    retry_of: job.retryOf,
    created_at: timestamp(job.createdAt),
    submitted_at: timestamp(job.submittedAt),
    completed_at: timestamp(job.completedAt),
    expires_at: timestamp(job.expiresAt),
    urls: { self, events: `${self}/events`, cancel: `${self}/cancel` },
  }
}

export type JobView = ReturnType<typeof jobView>
