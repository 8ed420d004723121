import { ServiceError, type ServiceErrorOptions } from '../domain/errors.ts'
import type { JobRecord } from '../domain/records.ts'
import { type JobError, jobError, jobView, type Links } from '../domain/view.ts'
import type { Accepted } from '../steps/accept.ts'
import { isAnswerable } from '../steps/result-body.ts'

/** What is said of a job that has no picture to answer with. */
export type Failure = {
  status: number
  error: { message: string; type: string; param: null; code: string; job_id: string; task_id: string }
  traceId: string | null
  /** It is not the job's last answer: whoever asks again gets the job. */
  goesOn: boolean
}

/**
 * Clients repeat by themselves what they are answered with 408, 409, 429 or 5xx, some of them whatever else the answer says. What
 * may have been charged, and what would be refused again, must never be answered so.
 */
const failedDependency = 424

/** What the provider answers codes with that also come without a status, in a callback or a record. */
const statusOfProviderCode: Readonly<Record<string, number>> = {
  bad_request: 400,
  api_not_implemented: 400,
  used_up: 402,
  disabled: 403,
  forbidden: 403,
}

/** The provider's own 400, 402 and 403 stay what they are; all else of it is no fault of the client's request. */
function statusOfProvider(code: string, status: number | undefined): number {
  if (code === 'used_up') return 402
  if (status === undefined) return statusOfProviderCode[code] ?? failedDependency
  return status === 400 || status === 402 || status === 403 ? status : failedDependency
}

type Told = Pick<JobError, 'code' | 'message' | 'type'> & { trace_id?: string | null }

function failure(job: JobRecord, status: number, told: Told, goesOn = false): Failure {
  const { code, message, type } = told
  const [task] = job.tasks
  const ids = { job_id: job.id, task_id: task?.providerTaskId ?? job.id }
  return { status, error: { message, type, param: null, code, ...ids }, traceId: told.trace_id ?? task?.traceId ?? null, goesOn }
}

/** Why a job is answered with an error; null where what was asked for is there. */
export function failureOfJob(job: JobRecord, base64: boolean, links: Links): Failure | null {
  if (!isAnswerable(job, base64)) {
    const message = `the pictures are not there yet; the job goes on: send the same request again, or read GET /jobs/${job.id}`
    return failure(job, 504, { code: 'timeout', message, type: 'api_error' }, true)
  }
  if (job.status === 'succeeded') return null
  if (job.status === 'canceled')
    return failure(job, 400, { code: 'canceled', message: 'the job was canceled', type: 'api_error' })
  const error = jobView(job, links).error ?? { code: job.status, message: `the job is ${job.status}`, type: 'api_error' }
  if (job.status === 'expired') return failure(job, failedDependency, { ...error, code: 'expired' })
  const failed = job.tasks.find(task => task.status === 'failed')
  return failure(job, statusOfProvider(error.code, failed?.error?.status), error)
}

/** A job that was refused at once. */
export function failureOfRefusal({ job, error }: Extract<Accepted, { kind: 'refused' }>): Failure {
  return failure(job, statusOfProvider(error.code, error.status), jobError(error))
}

/** A job of which nothing is left. It is no 404 or 409 here: those mean something else to clients, or are repeated. */
export function jobDeleted(message: string, options: ServiceErrorOptions = {}): ServiceError {
  return new ServiceError('canceled', message, options)
}
