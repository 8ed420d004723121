import { ServiceError } from '../../src/domain/errors.ts'
import type { StoredFile } from '../../src/domain/ports.ts'
import {
  checkRequest,
  type Fields,
  type FieldValue,
  fingerprint,
  type JobRequest,
  type RequestLimits,
} from '../../src/domain/request.ts'

export const pictureUrl = 'https://example.com/in.png'

/** A file that holds what its name says. */
export function file(content = 'a picture', contentType = 'image/png'): StoredFile {
  const sha256 = Buffer.from(content.padEnd(32, '.')).subarray(0, 32).toString('hex')
  return { name: `in-${content}`, sizeBytes: content.length, sha256, contentType, width: 32, height: 24 }
}

const pictureFields = new Set(['image', 'image[]', 'mask'])
const isFile = (value: unknown): value is StoredFile => typeof value === 'object' && value !== null && 'sha256' in value
const asFieldValue = (value: unknown): FieldValue => (isFile(value) ? { kind: 'file', file: value } : { kind: 'json', value })

/** A JSON body's fields; a stored file stands for a data: URL. */
export function json(body: object): Fields {
  return new Map(
    Object.entries(body).map(([name, value]): [string, FieldValue[]] => [
      name,
      pictureFields.has(name) && Array.isArray(value) ? value.map(asFieldValue) : [asFieldValue(value)],
    ]),
  )
}

/** A form's fields, in order; a name may come more than once. */
export function form(...parts: [string, string | StoredFile][]): Fields {
  const fields = new Map<string, FieldValue[]>()
  for (const [name, value] of parts) {
    const one: FieldValue = typeof value === 'string' ? { kind: 'text', text: value } : { kind: 'file', file: value }
    fields.set(name, [...(fields.get(name) ?? []), one])
  }
  return fields
}

export const limits: RequestLimits = {
  jobTimeoutS: 1_800,
  webhookUrlProblem: url => (url.startsWith('https://') ? null : 'is at a private address'),
}

/** The least that a request must have. */
export const least = { prompt: 'dark mode', image: pictureUrl }

/** What a JSON request with these fields beside the least is taken for. */
export function taken(body: object = {}): JobRequest {
  return checkRequest(json({ ...least, ...body }), limits)
}

/** The same for a form. */
export function takenForm(...parts: [string, string | StoredFile][]): JobRequest {
  return checkRequest(form(['prompt', 'dark mode'], ['image', file()], ...parts), limits)
}

/** The 400 that a request gets; throws where it gets none. */
export function refusal(fields: Fields): ServiceError {
  try {
    checkRequest(fields, limits)
  } catch (error) {
    if (error instanceof ServiceError) return error
    throw error
  }
  throw new Error('the request was taken')
}

/** The field that a JSON request with these fields beside the least is refused for. */
export function refusedFor(body: object): string | null {
  const { code, status, param } = refusal(json({ ...least, ...body }))
  if (code !== 'invalid_request' || status !== 400) throw new Error(`refused with ${code}`)
  return param
}

export const printOf = (fields: Fields): string => fingerprint(checkRequest(fields, limits))
