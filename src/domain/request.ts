import { invalid } from './errors.ts'
import { type JobEventType, jobEventTypes } from './events.ts'
import { type Fields, integer, isLonger, structure, text } from './fields.ts'
import { checkInputs, type Input, pictureField } from './inputs.ts'
import { defaultModel, findModel } from './models.ts'
import { checkNames, checkParams } from './params.ts'
import { checkTrace } from './trace.ts'

export type { Fields, FieldValue } from './fields.ts'
export { checkIdempotencyKey, fingerprint } from './fingerprint.ts'
export { checkPictureFile, type Input, pictureField } from './inputs.ts'

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
  /** The client said so; else it is our default, which may be another one tomorrow. */
  isTimeoutGiven: boolean
  /** Where a client of the provider's own interface wants the result POSTed to, in the provider's shape. */
  clientCallback?: ClientCallback
}

/** `base64`: with the pictures' bytes in it. */
export type ClientCallback = { url: string; base64: boolean }

export type RequestLimits = {
  /** The most that `timeout_s` may be, and what holds where it is not given. */
  jobTimeoutS: number
  /** Says why a webhook URL may not be used; null where it may. Completes a sentence that begins with the URL. */
  webhookUrlProblem(url: string): string | null
}

export const maxPromptLength = 32_000
export const maxN = 10
/** The fields that have a rule of their own, beside the pictures; all others are parameters. */
const ruled = new Set(['prompt', 'model', 'n', 'trace_id', 'webhook_url', 'webhook_events', 'metadata', 'timeout_s'])

function checkPrompt(fields: Fields): string {
  const prompt = text(fields, 'prompt')
  if (prompt === null) throw invalid('prompt', 'prompt is required: say what to change in the picture')
  if (prompt.trim() === '') throw invalid('prompt', 'prompt must not be blank')
  if (isLonger(prompt, maxPromptLength)) throw invalid('prompt', `prompt must have ${maxPromptLength} characters at most`)
  return prompt
}

/** It also becomes a label of metrics and a filter of lists: printable and short. */
export const modelName = /^[\x21-\x7e]{1,100}$/

function checkModel(fields: Fields): string {
  const model = text(fields, 'model')
  if (model === null || model === '') return defaultModel
  if (!modelName.test(model)) throw invalid('model', 'model must be 1 to 100 printable ASCII characters')
  return model
}

export const maxPairs = 16
export const maxKeyLength = 64
export const maxValueLength = 512

function checkMetadata(fields: Fields): Record<string, string> {
  const entries: [string, unknown][] = Object.entries(structure(fields, 'metadata', 'an object') ?? {})
  if (entries.length > maxPairs) throw invalid('metadata', `metadata must have ${maxPairs} pairs at most`)
  const pairs = entries.map(([key, value]): [string, string] => {
    if (key === '' || isLonger(key, maxKeyLength) || !key.isWellFormed())
      throw invalid('metadata', `metadata: a key must have 1 to ${maxKeyLength} characters`)
    if (typeof value !== 'string' || isLonger(value, maxValueLength) || !value.isWellFormed())
      throw invalid('metadata', `metadata: a value must be a string of ${maxValueLength} characters at most`)
    return [key, value]
  })
  return Object.fromEntries(pairs)
}

export const defaultWebhookEvents: readonly JobEventType[] = ['job.succeeded', 'job.failed', 'job.canceled', 'job.expired']

function isEventType(value: unknown): value is JobEventType {
  return jobEventTypes.some(type => type === value)
}

function checkWebhook(fields: Fields, limits: RequestLimits): Pick<JobRequest, 'webhookUrl' | 'webhookEvents'> {
  const url = text(fields, 'webhook_url')
  if (url !== null && url !== '') {
    const problem = limits.webhookUrlProblem(url)
    if (problem !== null) throw invalid('webhook_url', `webhook_url ${problem}`)
  }
  const events = structure(fields, 'webhook_events', 'an array') ?? defaultWebhookEvents
  if (!Array.isArray(events) || events.length === 0 || !events.every(isEventType))
    throw invalid('webhook_events', `webhook_events must be an array of ${jobEventTypes.join(', ')}`)
  return { webhookUrl: url === '' ? null : url, webhookEvents: [...new Set(events)] }
}

/**
 * Checks what a client sent. Nothing is charged, and nothing kept, for what this refuses.
 * @throws ServiceError `invalid_request`, naming the field and what would be right.
 */
export function checkRequest(fields: Fields, limits: RequestLimits): JobRequest {
  checkNames(fields)
  const warnings: string[] = []
  const modelId = checkModel(fields)
  const model = findModel(modelId)
  const prompt = checkPrompt(fields)
  const inputs = checkInputs(fields, model, warnings)
  const n = integer(fields, 'n', 1, maxN) ?? 1
  const isRuled = (name: string): boolean => ruled.has(name) || pictureField(name) !== null
  const params = { ...checkParams(fields, isRuled, model, warnings), ...checkTrace(fields, n, warnings) }
  const timeoutS = integer(fields, 'timeout_s', 1, limits.jobTimeoutS)
  return {
    edit: { model: modelId, prompt, inputs, params, n },
    warnings,
    metadata: checkMetadata(fields),
    ...checkWebhook(fields, limits),
    timeoutS: timeoutS ?? limits.jobTimeoutS,
    isTimeoutGiven: timeoutS !== null,
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
