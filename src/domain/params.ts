import { invalid } from './errors.ts'
import { type Fields, integer, plain, scalar, text } from './fields.ts'
import { type Model, sizeDoubt, sizeProblem } from './models.ts'

/** What only makes sense on a connection that is held, or would lead results past us. */
const foreign: ReadonlyMap<string, string> = new Map([
  ['callback_url', 'callback_url is set by the service; to be told of the result, send webhook_url'],
  ['async', 'async does not apply here: every job is asynchronous'],
  ['stream', 'stream does not apply here: follow the job at its urls.events'],
  ['partial_images', 'partial_images does not apply here: a job has only whole pictures'],
])

/** Parameters of the models that are known; all of them are texts but `output_compression`. */
export const textParams = ['quality', 'background', 'input_fidelity', 'output_format', 'response_format', 'user', 'size'] as const
const texts: ReadonlySet<string> = new Set(textParams)
export const maxCompression = 100
const maxFields = 100
const maxNameLength = 200

/** @throws ServiceError where a request has too many fields, one without a usable name, or one that is not for clients to set. */
export function checkNames(fields: Fields): void {
  if (fields.size > maxFields) throw invalid(null, `a request may have ${maxFields} fields at most`)
  for (const [name, values] of fields) {
    if (name === '' || name.length > maxNameLength || !name.isWellFormed())
      throw invalid(null, `a field must have a name of 1 to ${maxNameLength} characters`)
    const problem = foreign.get(name)
    const isThere = values.some(value => value.kind !== 'json' || (value.value !== null && value.value !== undefined))
    if (problem !== undefined && isThere) throw invalid(name, problem)
  }
}

/**
 * Every field that is not `isRuled`, known or not, as it goes to the provider: checked where the model is known, untouched where
 * it is not, and dropped, with a warning, where the model ignores it.
 * @throws ServiceError
 */
export function checkParams(
  fields: Fields,
  isRuled: (name: string) => boolean,
  model: Model | undefined,
  warnings: string[],
): Record<string, unknown> {
  const params: [string, unknown][] = []
  for (const [name, values] of fields) {
    if (isRuled(name) || values.length === 0) continue
    const value = values.length === 1 ? scalar(fields, name) : values.map(item => plain(name, item))
    if (value === null) continue
    if (model?.ignoresParams === true) warnings.push(`${name.slice(0, 100)} was dropped: ${model.id} ignores it`)
    else params.push([name, model === undefined ? value : checkParam(fields, name, value, model)])
    const isChecked = name === 'size' && model?.size === 'checked' && typeof value === 'string'
    const doubt = isChecked ? sizeDoubt(value) : null
    if (doubt !== null) warnings.push(doubt)
  }
  // fromEntries defines own properties, so that a field called __proto__ is a field like any other.
  return Object.fromEntries(params)
}

function checkParam(fields: Fields, name: string, value: unknown, model: Model): unknown {
  if (name === 'output_compression') return integer(fields, name, 0, maxCompression)
  if (!texts.has(name)) return value
  const given = text(fields, name)
  const problem = name === 'size' && given !== null && model.size === 'checked' ? sizeProblem(given) : null
  if (problem !== null) throw invalid('size', problem)
  return given
}
