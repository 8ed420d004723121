import { createHash } from 'node:crypto'
import { ServiceError } from './errors.ts'
import type { JobRequest } from './request.ts'

/**
 * What makes two requests the same: the same fields and files, however they are framed.
 * @returns 64 hex digits.
 */
export function fingerprint(request: JobRequest): string {
  const { edit } = request
  const inputs = edit.inputs.map(input => [input.role, input.url ?? input.file?.sha256])
  const timeoutS = request.isTimeoutGiven ? request.timeoutS : null
  const ownFields = [request.metadata, request.webhookUrl, request.webhookEvents.toSorted(), timeoutS]
  // Only where there is one: what other requests are known by stays as it was.
  const callback = request.clientCallback === undefined ? [] : [request.clientCallback.url, request.clientCallback.base64]
  const whole = [edit.model, edit.prompt, inputs, asText(edit.params), edit.n, asText(ownFields), ...callback]
  return createHash('sha256').update(JSON.stringify(whole)).digest('hex')
}

/** A value with its keys in order and its numbers and booleans as text, as a form would hold them. */
function asText(value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) return ['list', ...value.map(asText)]
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, item]): [string, unknown] => [key, asText(item)])
  return ['object', ...entries.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))]
}

export const idempotencyKeyForm = /^[\x20-\x7e]{1,255}$/

/** @throws ServiceError where an Idempotency-Key is not 1 to 255 printable characters. */
export function checkIdempotencyKey(key: string): string {
  if (!idempotencyKeyForm.test(key))
    throw new ServiceError('invalid_request', 'Idempotency-Key must be 1 to 255 printable ASCII characters', {
      param: 'Idempotency-Key',
    })
  return key
}
