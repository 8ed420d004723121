import { invalid } from './errors.ts'
import type { StoredFile } from './ports.ts'

/** One value of a field as a client sent it: a text of a form, a value of a JSON body, or a file of either. */
export type FieldValue = { kind: 'text'; text: string } | { kind: 'json'; value: unknown } | { kind: 'file'; file: StoredFile }

/** A request before it is checked: what each field holds, in order of arrival. */
export type Fields = ReadonlyMap<string, readonly FieldValue[]>

/** What a field says, null and absent alike being null. @throws ServiceError where it is a file, or given more than once. */
export function scalar(fields: Fields, name: string): string | number | boolean | object | null {
  const values = fields.get(name) ?? []
  if (values.length > 1) throw invalid(name, `${name} must be given once`)
  const [value] = values
  if (value === undefined) return null
  const json = plain(name, value)
  if (json === null || json === undefined) return null
  if (typeof json === 'string' || typeof json === 'number' || typeof json === 'boolean' || typeof json === 'object') return json
  throw invalid(name, `${name} is of no kind that JSON has`)
}

/** A value that is no picture. @throws ServiceError where it is a file. */
export function plain(name: string, value: FieldValue): unknown {
  if (value.kind === 'file') throw invalid(name, `${name} must be a text, not a file`)
  return value.kind === 'text' ? value.text : value.value
}

/** A string, null where it is not there. @throws ServiceError */
export function text(fields: Fields, name: string): string | null {
  const value = scalar(fields, name)
  if (value === null) return null
  if (typeof value !== 'string') throw invalid(name, `${name} must be a string`)
  if (!value.isWellFormed()) throw invalid(name, `${name} must be well-formed Unicode`)
  return value
}

function isFormText(fields: Fields, name: string): boolean {
  return fields.get(name)?.[0]?.kind === 'text'
}

/** A whole number, null where it is not there; a form's text is read as one. @throws ServiceError */
export function integer(fields: Fields, name: string, min: number, max: number): number | null {
  const value = scalar(fields, name)
  // A form sends the fields that nobody filled in, too.
  if (value === null || (value === '' && isFormText(fields, name))) return null
  const isDigits = typeof value === 'string' && /^-?\d{1,9}$/.test(value)
  const number = isFormText(fields, name) && isDigits ? Number(value) : value
  if (typeof number !== 'number' || !Number.isInteger(number) || number < min || number > max)
    throw invalid(name, `${name} must be a whole number from ${min} to ${max}`)
  return number
}

/** An object or an array, null where it is not there; a form holds it as JSON text, or empty. @throws ServiceError */
export function structure(fields: Fields, name: string, kind: 'an object' | 'an array'): object | null {
  const value = scalar(fields, name)
  if (value === null) return null
  const isForm = isFormText(fields, name)
  if (isForm && value === '') return null
  const parsed = isForm && typeof value === 'string' ? parseOrUndefined(value) : value
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed) !== (kind === 'an array'))
    throw invalid(name, `${name} must be ${isForm ? 'JSON text of ' : ''}${kind}`)
  return parsed
}

function parseOrUndefined(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

/** Whether a text has more characters than that: code points, so that an emoji counts as one. */
export function isLonger(value: string, maxCharacters: number): boolean {
  // The length in UTF-16 units bounds the work of counting.
  return value.length > 2 * maxCharacters || (value.length > maxCharacters && Array.from(value).length > maxCharacters)
}
