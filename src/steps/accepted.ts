import type { ErrorCode } from '../domain/errors.ts'
import { refusesAccount } from '../domain/provider.ts'
import type { JobRecord } from '../domain/records.ts'
import type { ProviderError } from '../domain/result.ts'

/** What became of a request for a job. */
export type Accepted =
  | { kind: 'job'; job: JobRecord; replayed: boolean }
  /** All of its submits were refused for good, at once. */
  | { kind: 'refused'; job: JobRecord; code: ErrorCode; error: ProviderError; replayed: boolean }

const codeByStatus: ReadonlyMap<number, ErrorCode> = new Map<number, ErrorCode>([
  [400, 'invalid_request'],
  [401, 'bad_gateway'],
  [403, 'forbidden'],
  [404, 'bad_gateway'],
  [413, 'payload_too_large'],
])

/** How a refusal by the provider is answered: what is wrong with our account or settings is no fault of the client's. */
function codeOfRefusal(error: ProviderError): ErrorCode {
  if (error.code === 'used_up') return 'payment_required'
  const status = error.status ?? 0
  const known = codeByStatus.get(status)
  if (known !== undefined) return known
  return refusesAccount(status, error.code) ? 'bad_gateway' : codeOfOther(status)
}

function codeOfOther(status: number): ErrorCode {
  return status >= 400 && status < 500 ? 'invalid_request' : 'bad_gateway'
}

/** A job as its request is answered. */
export function acceptedAs(job: JobRecord, replayed: boolean): Accepted {
  const refusals = job.tasks.map(task => (task.status === 'failed' && task.source === null ? task.error : null))
  const [first] = refusals
  if (first === null || first === undefined || refusals.includes(null)) return { kind: 'job', job, replayed }
  return { kind: 'refused', job, code: codeOfRefusal(first), error: first, replayed }
}
