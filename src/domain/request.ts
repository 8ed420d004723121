import { createHash } from 'node:crypto'
import { invalid, ServiceError } from './errors.ts'
import { type JobEventType, jobEventTypes } from './events.ts'
import { defaultModel, findModel, type Model, maxImagesPerRequest, sizeProblem } from './models.ts'
import type { StoredFile } from './ports.ts'

/** One value of a field as a client sent it: a text of a form, a value of a JSON body, or a file of either. */
export type FieldValue = { kind: 'text'; text: string } | { kind: 'json'; value: unknown } | { kind: 'file'; file: StoredFile }

/** A request before it is checked: what each field holds, in order of arrival. */
export type Fields = ReadonlyMap<string, readonly FieldValue[]>

/** A picture that was sent in. */
export type Input = { role: 'image' | 'mask'; url: string | null; file: StoredFile | null }

/** What is wanted of the provider, checked, with nothing left in it that the model ignores. */
export type EditRequest = {
  model: string
  prompt: string
  inputs: readonly Input[]
  /** What goes to the provider beside model, prompt, pictures and n. */
  params: Readonly<Record<string, unknown>>
  n: number
}

/** A client's order: the edit, and what we are to do about it. */
export type JobRequest = {
  edit: EditRequest
  warnings: readonly string[]
  metadata: Readonly<Record<string, string>>
  webhookUrl: string | null
  webhookEvents: readonly JobEventType[]
  timeoutS: number
}

export type RequestLimits = {
  /** The most that `timeout_s` may be, and what holds where it is not given. */
  jobTimeoutS: number
  /** Says why a webhook URL may not be used; null where it may. */
  webhookUrlProblem(url: string): string | null
}

const maxPromptLength = 32_000
const maxFields = 100
const promptField = 'prompt'
const imageFields = ['image', 'image[]'] as const
const ours = new Set(['webhook_url', 'webhook_events', 'metadata', 'timeout_s'])
/** What only makes sense on a connection that is held, or would lead results past us. */
const foreign: Readonly<Record<string, string>> = {
  callback_url: 'callback_url is set by the service; to be told of the result, send webhook_url',
  async: 'async does not apply here: every job is asynchronous',
  stream: 'stream does not apply here: follow the job at its urls.events',
  partial_images: 'partial_images does not apply here: a job has only whole pictures',
}
const textParams = new Set(['quality', 'background', 'input_fidelity', 'output_format', 'response_format', 'user', 'size'])
const ruled = new Set<string>([promptField, ...imageFields, 'model', 'mask', 'n', ...ours])

/** What a field says, null and absent alike being null. */
function scalar(fields: Fields, name: string): string | number | boolean | object | null {
  const values = fields.get(name) ?? []
  if (values.length > 1) throw invalid(name, `${name} must be given once`)
  const [value] = values
  if (value === undefined) return null
  if (value.kind === 'file') throw invalid(name, `${name} must be a text, not a file`)
  if (value.kind === 'text') return value.text
  if (value.value === null || value.value === undefined) return null
  const json = value.value
  if (typeof json === 'string' || typeof json === 'number' || typeof json === 'boolean' || typeof json === 'object') return json
  throw invalid(name, `${name} is of no kind that JSON has`)
}

function text(fields: Fields, name: string): string | null {
  const value = scalar(fields, name)
  if (value === null) return null
  if (typeof value !== 'string') throw invalid(name, `${name} must be a string`)
  if (!value.isWellFormed()) throw invalid(name, `${name} must be well-formed Unicode`)
  return value
}

/** A whole number; a form's text is read as one. */
function integer(fields: Fields, name: string, min: number, max: number): number | null {
  const value = scalar(fields, name)
  if (value === null) return null
  const fromForm = fields.get(name)?.[0]?.kind === 'text'
  const number = fromForm && typeof value === 'string' && /^-?\d{1,9}$/.test(value) ? Number(value) : value
  if (typeof number !== 'number' || !Number.isInteger(number) || number < min || number > max)
    throw invalid(name, `${name} must be a whole number from ${min} to ${max}`)
  return number
}

/** An object or an array; a form holds it as JSON text. */
function structure(fields: Fields, name: string): object | null {
  const value = scalar(fields, name)
  if (value === null || value === '') return null
  const fromForm = fields.get(name)?.[0]?.kind === 'text'
  if (!fromForm || typeof value !== 'string') {
    if (typeof value !== 'object') throw invalid(name, `${name} must be ${name === 'metadata' ? 'an object' : 'an array'}`)
    return value
  }
  let parsed: unknown
  try {
    parsed = JSON.parse(value)
  } catch {
    throw invalid(name, `${name} must be JSON text in a form`)
  }
  if (typeof parsed !== 'object' || parsed === null) throw invalid(name, `${name} must be JSON text of an object or array`)
  return parsed
}

function checkPrompt(fields: Fields): string {
  const prompt = text(fields, promptField)
  if (prompt === null) throw invalid(promptField, 'prompt is required: say what to change in the picture')
  if (prompt.trim() === '') throw invalid(promptField, 'prompt must not be blank')
  // Counted in code points, so that an emoji is one character; the length in UTF-16 units bounds the work of counting.
  if (prompt.length > 2 * maxPromptLength || Array.from(prompt).length > maxPromptLength)
    throw invalid(promptField, `prompt must have ${maxPromptLength} characters at most`)
  return prompt
}

function checkModel(fields: Fields): string {
  const model = text(fields, 'model')
  if (model === null || model === '') return defaultModel
  // The name also becomes a label of metrics and a filter of lists: keep it printable and short.
  if (!/^[\x21-\x7e]{1,100}$/.test(model)) throw invalid('model', 'model must be 1 to 100 printable ASCII characters')
  return model
}

const maxUrlLength = 8_192

function checkPictureUrl(field: string, value: string): string {
  if (/^data:/i.test(value))
    throw invalid(field, `${field}: a data: URL must be base64, such as data:image/png;base64,… (in a form, send a file)`)
  if (value.length > maxUrlLength) throw invalid(field, `${field}: a URL must have ${maxUrlLength} characters at most`)
  const url = URL.canParse(value) ? new URL(value) : null
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:') || !value.isWellFormed())
    throw invalid(field, `${field} must be an http(s) URL, a data: URL or a file`)
  return value
}

const pictureTypes = new Set(['image/png', 'image/jpeg', 'image/webp'])

/** @throws ServiceError where a file is no PNG, JPEG or WebP by its bytes. */
export function checkPictureFile(field: string, file: StoredFile): StoredFile {
  if (!pictureTypes.has(file.contentType)) throw invalid(field, `${field} must be a PNG, JPEG or WebP file`)
  return file
}

function pictures(fields: Fields, field: string, role: Input['role']): Input[] {
  const one = (value: unknown): Input => {
    if (typeof value !== 'string') throw invalid(field, `${field} must be a URL, a data: URL or a file, or an array of them`)
    return { role, url: checkPictureUrl(field, value), file: null }
  }
  return (fields.get(field) ?? []).flatMap((value): Input[] => {
    if (value.kind === 'file') return [{ role, url: null, file: checkPictureFile(field, value.file) }]
    if (value.kind === 'text') return [one(value.text)]
    if (value.value === null || value.value === undefined) return []
    return [one(value.value)]
  })
}

function checkInputs(fields: Fields, model: Model | undefined, warnings: string[]): Input[] {
  const images = imageFields.flatMap(field => pictures(fields, field, 'image'))
  if (images.length === 0) throw invalid('image', 'image is required: a URL, a data: URL or a file, or several of them')
  const most = model?.maxImages ?? maxImagesPerRequest
  if (images.length > most)
    throw invalid('image', `image: ${model === undefined ? 'a request' : model.id} takes ${most} at most, got ${images.length}`)
  const masks = pictures(fields, 'mask', 'mask')
  if (masks.length > 1) throw invalid('mask', 'mask must be given once')
  if (masks.length === 1 && model?.takesMask === false) {
    warnings.push(`mask was dropped: ${model.id} ignores it`)
    return images
  }
  return [...images, ...masks]
}

function checkMetadata(fields: Fields): Record<string, string> {
  const value = structure(fields, 'metadata')
  if (value === null) return {}
  if (Array.isArray(value)) throw invalid('metadata', 'metadata must be an object of strings')
  const entries = Object.entries(value)
  if (entries.length > 16) throw invalid('metadata', 'metadata must have 16 pairs at most')
  for (const [key, item] of entries) {
    if (key.length === 0 || key.length > 64) throw invalid('metadata', 'metadata: a key must have 1 to 64 characters')
    if (typeof item !== 'string' || item.length > 512 || !item.isWellFormed() || !key.isWellFormed())
      throw invalid('metadata', 'metadata: a value must be a string of 512 characters at most')
  }
  return Object.fromEntries(entries)
}

function isEventType(value: unknown): value is JobEventType {
  return jobEventTypes.some(type => type === value)
}

function checkWebhook(fields: Fields, limits: RequestLimits): Pick<JobRequest, 'webhookUrl' | 'webhookEvents'> {
  const url = text(fields, 'webhook_url')
  if (url !== null && url !== '') {
    const problem = limits.webhookUrlProblem(url)
    if (problem !== null) throw invalid('webhook_url', `webhook_url ${problem}`)
  }
  const events = structure(fields, 'webhook_events') ?? defaultWebhookEvents
  if (!Array.isArray(events) || events.length === 0 || !events.every(isEventType))
    throw invalid('webhook_events', `webhook_events must be an array of ${jobEventTypes.join(', ')}`)
  return { webhookUrl: url === '' ? null : url, webhookEvents: [...new Set(events)] }
}

const defaultWebhookEvents: readonly JobEventType[] = ['job.succeeded', 'job.failed', 'job.canceled', 'job.expired']

/** Every other field, known or not, as it goes to the provider. */
function checkParams(fields: Fields, model: Model | undefined, warnings: string[]): Record<string, unknown> {
  const params: [string, unknown][] = []
  for (const [name, values] of fields) {
    if (ruled.has(name) || values.length === 0) continue
    const value = values.length === 1 ? scalar(fields, name) : values.map(item => repeated(name, item))
    if (value === null) continue
    if (textParams.has(name)) text(fields, name)
    if (model?.ignoresParams === true) warnings.push(`${name.slice(0, 100)} was dropped: ${model.id} ignores it`)
    else params.push([name, name === 'output_compression' ? integer(fields, name, 0, 100) : value])
  }
  // fromEntries defines own properties, so that a field called __proto__ is a field like any other.
  return Object.fromEntries(params)
}

/** One of several values under one name that we do not know. */
function repeated(name: string, value: FieldValue): unknown {
  if (value.kind === 'file') throw invalid(name, `${name} must be a text, not a file`)
  return value.kind === 'text' ? value.text : value.value
}

/**
 * Checks what a client sent. Nothing is charged, and nothing kept, for what this refuses.
 * @throws ServiceError `invalid_request`, naming the field and what would be right.
 */
export function checkRequest(fields: Fields, limits: RequestLimits): JobRequest {
  if (fields.size > maxFields) throw invalid(null, `a request may have ${maxFields} fields at most`)
  for (const name of Object.keys(foreign)) {
    const present = (fields.get(name) ?? []).some(value => value.kind !== 'json' || value.value !== null)
    if (present) throw invalid(name, foreign[name] ?? name)
  }
  for (const name of fields.keys()) {
    if (name === '' || name.length > 200 || !name.isWellFormed())
      throw invalid(null, 'a field must have a name of 1 to 200 characters')
  }
  const warnings: string[] = []
  const modelId = checkModel(fields)
  const model = findModel(modelId)
  const prompt = checkPrompt(fields)
  const inputs = checkInputs(fields, model, warnings)
  const n = integer(fields, 'n', 1, 10) ?? 1
  const params = checkParams(fields, model, warnings)
  const problem = model?.size === 'checked' && typeof params['size'] === 'string' ? sizeProblem(params['size']) : null
  if (problem !== null) throw invalid('size', problem)
  return {
    edit: { model: modelId, prompt, inputs, params, n },
    warnings,
    metadata: checkMetadata(fields),
    ...checkWebhook(fields, limits),
    timeoutS: integer(fields, 'timeout_s', 1, limits.jobTimeoutS) ?? limits.jobTimeoutS,
  }
}

/** How many tasks a request needs: n where each submit makes one picture, else one. */
export function tasksNeeded(edit: Pick<EditRequest, 'model' | 'n'>): number {
  return findModel(edit.model)?.n === 'ignored' ? edit.n : 1
}

/** Whether n goes to the provider: only where it is not done by several tasks. */
export function sendsN(edit: Pick<EditRequest, 'model' | 'n'>): boolean {
  return tasksNeeded(edit) === 1 && edit.n > 1
}

/**
 * What makes two requests the same: the same fields and files, however they are framed.
 * @returns 64 hex digits.
 */
export function fingerprint(request: JobRequest): string {
  const { edit } = request
  const inputs = edit.inputs.map(input => [input.role, input.url ?? input.file?.sha256])
  const ownFields = [request.metadata, request.webhookUrl, [...request.webhookEvents].toSorted(), request.timeoutS]
  const whole = [edit.model, edit.prompt, inputs, asText(edit.params), edit.n, asText(ownFields)]
  return createHash('sha256').update(JSON.stringify(whole)).digest('hex')
}

/** A value with its keys in order and its scalars as text, as a form would hold them. */
function asText(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asText)
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value)
    .map(([key, item]): [string, unknown] => [key, asText(item)])
    .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
}

/** @throws ServiceError where an Idempotency-Key is not 1 to 255 printable characters. */
export function checkIdempotencyKey(key: string): string {
  if (!/^[\x20-\x7e]{1,255}$/.test(key))
    throw new ServiceError('invalid_request', 'Idempotency-Key must be 1 to 255 printable ASCII characters', {
      param: 'Idempotency-Key',
    })
  return key
}
