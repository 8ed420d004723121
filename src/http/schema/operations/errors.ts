import { type ErrorCode, ServiceError, statusOfCode } from '../../../domain/errors.ts'
import { jobError } from '../../../domain/view.ts'
import { errorBody } from '../../errors.ts'
import { exampleIds, requestId } from '../examples.ts'
import { ref, type Schema } from '../schema.ts'

/** `provider`: the provider's own code, which stands in its place where a job was refused. */
type Told = { meaning: string; message: string; param?: string; provider?: string }

/** What each code means, and what is said with it. */
const told: Readonly<Record<ErrorCode, Told>> = {
  invalid_request: {
    meaning: 'The request is wrong; `param` names where.',
    message: "size must be 'auto' or WIDTHxHEIGHT, such as 1024x1536",
    param: 'size',
  },
  canceled: {
    meaning: 'The job that a held request waited for was canceled, or deleted.',
    message: 'the job was canceled',
  },
  unauthorized: {
    meaning: 'No key, or a wrong one; where no keys are set, a page of another site that wants to change something.',
    message: 'send a valid API key as Authorization: Bearer …',
  },
  payment_required: {
    meaning: 'The provider’s account has no balance.',
    message: 'the balance is used up',
    provider: 'used_up',
  },
  forbidden: {
    meaning: 'Refused by the provider: moderation (`forbidden`), or the account (`disabled`).',
    message: 'the request was rejected by content moderation',
    provider: 'forbidden',
  },
  not_found: {
    meaning: 'There is no such thing, or it belongs to another key.',
    message: 'there is no such job',
    param: 'taskId',
  },
  request_timeout: { meaning: 'The request came slower than 1 kB/s for 10 s.', message: 'the request came too slowly' },
  conflict: { meaning: 'The job’s state does not allow it.', message: 'the job is succeeded already: nothing to cancel' },
  payload_too_large: {
    meaning: 'Larger than a setting allows, or than the provider takes.',
    message: 'image is larger than MAX_IMAGE_BYTES (52428800 bytes)',
    param: 'image',
  },
  unsupported_media_type: {
    meaning: 'Neither JSON nor a form, or compressed.',
    message: 'send the request as application/json, multipart/form-data or application/x-www-form-urlencoded',
  },
  idempotency_mismatch: {
    meaning: 'This `Idempotency-Key` was used for another request.',
    message: 'this Idempotency-Key was used for another request: use a new one',
    param: 'Idempotency-Key',
  },
  expired: {
    meaning: 'The job reached its deadline without a result; or, under the provider’s own code, the provider failed.',
    message: 'no result came before the deadline (expires_at)',
  },
  rate_limited: { meaning: 'Too many requests: wait for `Retry-After`.', message: 'too many requests: ask again in 42 s' },
  internal_error: {
    meaning: 'Something went wrong here. The operator finds it by its `request_id`.',
    message: 'something went wrong here; the request_id helps us to find it',
  },
  bad_gateway: { meaning: 'What lies behind this service failed.', message: 'invalid token', provider: 'invalid_token' },
  unavailable: {
    meaning: 'Not now. After POST /jobs nobody knows whether it was kept: ask again with the same `Idempotency-Key`.',
    message: 'the service is stopping',
  },
  timeout: {
    meaning: 'The pictures are not there yet. The job goes on: the same request again gets it.',
    message: 'the pictures are not there yet; the job goes on',
  },
  storage_full: {
    meaning: 'The disk is full. Nothing was kept of this request.',
    message: 'the disk is full: nothing was kept of this request',
  },
}

// The keys of a literal are known to be the codes. The first of a status stands for it.
const codeOfStatus: ReadonlyMap<number, ErrorCode> = new Map(
  (Object.keys(statusOfCode) as ErrorCode[]).toReversed().map(code => [statusOfCode[code], code]),
)

const retryAfter = { 'Retry-After': { type: 'integer', description: 'Seconds to wait.' } }
const headersOf: Readonly<Record<number, Schema>> = {
  401: { 'WWW-Authenticate': { type: 'string', description: '`Bearer`' } },
  429: retryAfter,
  503: retryAfter,
}

/** What an error's body looks like: the name of a schema above. */
type Shape = 'Error' | 'Refusal' | 'EditError'

function example(code: ErrorCode, shape: Shape): object {
  const { message, param = null, provider } = told[code]
  const body = errorBody(new ServiceError(code, message, { param }), requestId)
  if (provider === undefined || shape === 'Error') return body
  const { type } = jobError({ code: provider, message, traceId: null })
  const refused = { ...body.error, code: provider, type }
  const { jobId } = exampleIds
  return shape === 'Refusal'
    ? { error: refused, job_id: jobId, request_id: requestId }
    : { error: { ...refused, job_id: jobId }, request_id: requestId }
}

function errorAnswer(code: ErrorCode, shape: Shape): Schema {
  const headers = headersOf[statusOfCode[code]]
  return {
    description: `\`${code}\`: ${told[code].meaning}`,
    ...(headers === undefined ? {} : { headers }),
    content: { 'application/json': { schema: ref(shape), examples: { [code]: { value: example(code, shape) } } } },
  }
}

/** Error answers by their status. */
export function errors(statuses: readonly number[], shape: Shape = 'Error'): Record<number, Schema> {
  const answers = statuses.flatMap(status => {
    const code = codeOfStatus.get(status)
    return code === undefined ? [] : [[status, errorAnswer(code, shape)] as const]
  })
  return Object.fromEntries(answers)
}
