import { isPicture, whatItIs } from './picture.ts'
import type { StoredFile } from './ports.ts'
import { parseCost, parseRecordType, parseUsage, type Report } from './report.ts'

/** Why the provider did not make a picture, in its own words. */
export type ProviderError = {
  code: string
  message: string
  traceId: string | null
  /** The HTTP status of the answer to the submit that said so, where one did. */
  status?: number
}

/** One picture of a result: bytes that are already in the job's folder, or a URL to copy them from. */
export type ResultImage = { url: string | null; file: StoredFile | null; revisedPrompt: string | null }

type Ids = { taskId: string | null; traceId: string | null }

export type Result =
  /** `created` in seconds since 1970; null where the provider names none, or 0. */
  | ({
      kind: 'succeeded'
      created: number | null
      images: readonly ResultImage[]
      /** What of the result is no picture, and was left out, in words for a client. Left out: nothing. */
      warnings?: readonly string[]
    } & Ids &
      Report)
  | ({
      kind: 'failed'
      error: ProviderError
      /** It ended without a picture that can be used, but the provider does not say that it failed. Else it is not billed. */
      mayBeBilled?: true
    } & Ids &
      Report)

/** The provider took the task and will tell later. */
export type Accepted = { kind: 'accepted'; taskId: string; traceId: string | null }

/** Gives the file that stands where a string of the parsed body stood. */
export type FileLookup = (value: unknown) => StoredFile | undefined

type JsonObject = { readonly [key: string]: unknown }

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

const maxIdLength = 500

/** Ids occur as strings; a number is taken as its text. What is too long to be one is none. */
function idOrNull(value: unknown): string | null {
  const id = typeof value === 'number' ? String(value) : textOrNull(value)
  return id === null || id.length > maxIdLength ? null : id
}

const maxErrorCodeLength = 100
const maxErrorTextLength = 2_000

/** The provider's error in a body, whichever way it is written; null where the body reports none. */
export function parseError(body: unknown): ProviderError | null {
  if (!isObject(body)) return null
  const traceId = idOrNull(body['trace_id'])
  const told = (code: string | null, message: string | null): ProviderError => ({
    code: cut(code ?? 'provider_error', maxErrorCodeLength),
    message: cut(message ?? code ?? 'the provider reported a failure', maxErrorTextLength),
    traceId,
  })
  const { error } = body
  if (isObject(error)) {
    const code = idOrNull(error['code']) ?? idOrNull(error['type'])
    const message = textOrNull(error['message'])
    // An error with nothing in it is how some encoders write that there is none.
    if (code !== null || message !== null) return told(code, message)
  }
  if (textOrNull(error) !== null) return told(null, textOrNull(error))
  return body['success'] === false ? told(idOrNull(body['code']), textOrNull(body['message'])) : null
}

/** The beginning of a text, without half a character at its end. */
function cut(text: string, length: number): string {
  return text.slice(0, length).toWellFormed()
}

/** A picture of a result; or, where there is none, what is there instead. */
function parseImage(item: unknown, fileOf: FileLookup): ResultImage | { missing: string } {
  if (typeof item === 'string') return imageFrom([item], undefined, null, fileOf)
  if (!isObject(item)) return { missing: 'it is no object' }
  return imageFrom([item['url'], item['image_url']], item['b64_json'], textOrNull(item['revised_prompt']), fileOf)
}

function imageFrom(
  links: readonly unknown[],
  base64: unknown,
  revisedPrompt: string | null,
  fileOf: FileLookup,
): ResultImage | { missing: string } {
  // OpenAI's own JSON nests it: {"image_url": {"url": "…"}}.
  const targets = links.map(link => (isObject(link) ? link['url'] : link))
  const files = [base64, ...targets].map(fileOf).filter(found => found !== undefined)
  const file = files.find(isPicture) ?? null
  const url = targets.filter(target => fileOf(target) === undefined).find(isHttpUrl) ?? null
  if (file !== null || url !== null) return { url, file, revisedPrompt }
  const [other] = files
  return {
    missing: other === undefined ? 'it has neither a URL nor base64 that can be read' : `its base64 holds ${whatItIs(other)}`,
  }
}

function isHttpUrl(value: unknown): value is string {
  const url = typeof value === 'string' ? URL.parse(value) : null
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:')
}

type Items = { items: readonly unknown[]; created: unknown }

const maxNesting = 4

/**
 * The list of pictures, be it `data: […]`, or nested as `data: {created, data: […]}`, or one picture that is in no list.
 * The nearest `created` counts.
 */
function findItems(body: JsonObject, depth = 0): Items | null {
  const { data, created } = body
  if (Array.isArray(data)) return { items: data, created }
  if (typeof data === 'string') return { items: [data], created }
  if (!isObject(data) || depth >= maxNesting) return null
  const inner = findItems(data, depth + 1) ?? { items: [data], created: data['created'] }
  return { ...inner, created: inner.created ?? created }
}

/** The latest time that RFC 3339 can write, 9999-12-31T23:59:59Z. */
const latestS = 253_402_300_799

function secondsOrNull(value: unknown): number | null {
  return typeof value === 'number' && value >= 1 && value <= latestS ? Math.floor(value) : null
}

/** What a body reports beside its pictures: at its top, or within the `data` that holds them. */
function reportIn(body: JsonObject, depth = 0): Report {
  const usage = parseUsage(body['usage'])
  const costMicroCredits = parseCost(body['cost'])
  const inner = isObject(body['data']) && depth < maxNesting ? reportIn(body['data'], depth + 1) : {}
  return { ...inner, ...(usage === null ? {} : { usage }), ...(costMicroCredits === null ? {} : { costMicroCredits }) }
}

/** The most pictures that one result may have: no model makes more than ten, and each becomes a row. */
export const maxResultPictures = 256

/** So many of what is left out are named; more are counted. */
const maxNamed = 10

/** What is said of those that are no picture. */
function leftOut(items: readonly (ResultImage | { missing: string })[]): { warnings?: readonly string[] } {
  const lines = items.flatMap((item, index) =>
    'missing' in item ? [`item ${index + 1} of the result's ${items.length} was left out: ${item.missing}`] : [],
  )
  if (lines.length === 0) return {}
  const more = lines.length - maxNamed
  return { warnings: more > 0 ? [...lines.slice(0, maxNamed), `${more} more of the result's items were left out`] : lines }
}

/**
 * Whatever the provider sends of a result, in any of its shapes, as one Result; null where there is neither a picture nor
 * an error in it, or more pictures than a result may have. A picture wins over an error beside it: it was made, and paid for.
 */
export function parseResult(body: unknown, fileOf: FileLookup): Result | null {
  if (!isObject(body)) return null
  const ids: Ids = { taskId: idOrNull(body['task_id']), traceId: idOrNull(body['trace_id']) }
  const found = findItems(body)
  const items = found?.items.map(item => parseImage(item, fileOf)) ?? []
  const images = items.filter((item): item is ResultImage => !('missing' in item))
  if (images.length > maxResultPictures) return null
  if (images.length > 0) {
    return { kind: 'succeeded', ...ids, created: secondsOrNull(found?.created), images, ...leftOut(items), ...reportIn(body) }
  }
  const error = parseError(body)
  return error === null ? null : { kind: 'failed', ...ids, error, ...reportIn(body) }
}

/** Whether a body has what stands where pictures do, readable or not: something was made, and perhaps paid for. */
export function holdsPictures(body: unknown, fileOf: FileLookup): boolean {
  const items = isObject(body) ? (findItems(body)?.items ?? []) : []
  const isThere = (value: unknown): boolean => isHttpUrl(value) || fileOf(value) !== undefined
  return items.some(item => isThere(item) || (isObject(item) && [item['url'], item['image_url'], item['b64_json']].some(isThere)))
}

/** The task that an answer to a submit names: it was accepted, whatever else the answer says; null where it names none. */
export function parseAccepted(body: unknown): Accepted | null {
  if (!isObject(body)) return null
  const taskId = idOrNull(body['task_id']) ?? (isObject(body['data']) ? idOrNull(body['data']['task_id']) : null)
  return taskId === null ? null : { kind: 'accepted', taskId, traceId: idOrNull(body['trace_id']) }
}

/** What was submitted, as a record repeats it. */
export type RecordedRequest = JsonObject

export type TaskRecord = {
  taskId: string | null
  /** The callback URL that the record says was submitted: by it a task is known whose id is not. */
  callbackUrl: string | null
  /** The trace id that was submitted, wherever the record has it, and the one that the provider made: by these, too. */
  traceIds: readonly string[]
  type: string | null
  /** When the provider took it, milliseconds since 1970; null where it does not say. */
  createdAt: number | null
  request: RecordedRequest
  /** null: still running. */
  result: Result | null
}

/** A time as records have it: seconds, or a text of RFC 3339. */
function timeOrNull(value: unknown): number | null {
  if (typeof value === 'string') return Number.isNaN(Date.parse(value)) ? null : Date.parse(value)
  return typeof value === 'number' && value >= 1 && value <= latestS ? Math.round(value * 1_000) : null
}

/** One record of the provider's tasks endpoint; null where it is none (such as the `{}` of an unknown id). */
export function parseRecord(record: unknown, fileOf: FileLookup): TaskRecord | null {
  if (!isObject(record)) return null
  const response = isObject(record['response']) ? record['response'] : {}
  // `_id` is the key of a database, which need not be the task's.
  const taskId =
    [record['id'], record['task_id'], response['task_id'], record['_id']].map(idOrNull).find(id => id !== null) ?? null
  const request = isObject(record['request']) ? record['request'] : {}
  const known = {
    taskId,
    callbackUrl: textOrNull(request['callback_url']),
    traceIds: [record['trace_id'], request['trace_id']].map(idOrNull).filter(id => id !== null),
    type: parseRecordType(record['type']),
    createdAt: timeOrNull(record['created_at']),
    request,
  }
  if (!['id', 'task_id', '_id', 'request'].some(name => name in record)) return null
  if (taskId === null && known.callbackUrl === null && known.traceIds.length === 0) return null
  return { ...known, result: resultOf(record, known, fileOf) }
}

/** What a record says of its task's end; null where it is still running. */
function resultOf(record: JsonObject, { taskId, type }: Pick<TaskRecord, 'taskId' | 'type'>, fileOf: FileLookup): Result | null {
  const parsed = parseResult(record['response'], fileOf)
  // Some encoders write 0, or nothing, for a time that is not there yet.
  const finished = Boolean(record['finished_at'])
  // A picture is taken even where the record does not say that it is over: it is there, and paid for.
  if (!finished && parsed?.kind !== 'succeeded') return null
  const traceId = idOrNull(record['trace_id'])
  const result: Result = parsed ?? {
    kind: 'failed',
    taskId,
    traceId,
    error: { code: 'no_result', message: 'the provider finished without a result that can be used', traceId },
    mayBeBilled: true,
  }
  const ids: Ids = { taskId: result.taskId ?? taskId, traceId: result.traceId ?? traceId }
  const more = { ...reportIn(record), ...result, ...ids, ...(type === null ? {} : { recordType: type }) }
  return more.kind === 'succeeded' ? more : { ...more, error: { ...more.error, traceId: ids.traceId } }
}
