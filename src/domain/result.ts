import type { StoredFile } from './ports.ts'

/** Why the provider did not make a picture, in its own words. */
export type ProviderError = {
  code: string
  message: string
  traceId: string | null
  /** The HTTP status of the answer that refused the submit, where one did. */
  status?: number
}

/** One picture of a result: bytes that are already in the job's folder, or a URL to copy them from. */
export type ResultImage = { url: string | null; file: StoredFile | null; revisedPrompt: string | null }

type Ids = { taskId: string | null; traceId: string | null }

export type Result =
  /** `created` in seconds since 1970; null where the provider names none, or 0. */
  | ({ kind: 'succeeded'; created: number | null; images: readonly ResultImage[] } & Ids)
  | ({ kind: 'failed'; error: ProviderError } & Ids)

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

/** Ids occur as strings; a number is taken as its text. */
function idOrNull(value: unknown): string | null {
  return typeof value === 'number' ? String(value) : textOrNull(value)
}

const maxErrorTextLength = 2_000

/** The provider's error in a body, whichever way it is written; null where the body reports none. */
export function parseError(body: unknown): ProviderError | null {
  if (!isObject(body)) return null
  const traceId = idOrNull(body['trace_id'])
  const { error } = body
  const told = (code: string, message: string): ProviderError => ({
    code: code.slice(0, 100),
    message: message.slice(0, maxErrorTextLength),
    traceId,
  })
  if (isObject(error)) {
    const code = idOrNull(error['code']) ?? textOrNull(error['type']) ?? 'provider_error'
    return told(code, textOrNull(error['message']) ?? code)
  }
  if (typeof error === 'string' && error !== '') return told('provider_error', error)
  if (body['success'] === false) return told('provider_error', textOrNull(body['message']) ?? 'the provider reported a failure')
  return null
}

function parseImage(item: unknown, fileOf: FileLookup): ResultImage | null {
  if (typeof item === 'string') return imageFrom(item, undefined, null, fileOf)
  if (!isObject(item)) return null
  const revisedPrompt = textOrNull(item['revised_prompt'])
  return imageFrom(item['url'] ?? item['image_url'], item['b64_json'], revisedPrompt, fileOf)
}

function imageFrom(link: unknown, base64: unknown, revisedPrompt: string | null, fileOf: FileLookup): ResultImage | null {
  // OpenAI's own JSON nests it: {"image_url": {"url": "…"}}.
  const target = isObject(link) ? link['url'] : link
  const file = fileOf(base64) ?? fileOf(target) ?? null
  const url = fileOf(target) === undefined ? httpUrlOrNull(target) : null
  return file === null && url === null ? null : { url, file, revisedPrompt }
}

function httpUrlOrNull(value: unknown): string | null {
  if (typeof value !== 'string' || !URL.canParse(value)) return null
  const { protocol } = new URL(value)
  return protocol === 'http:' || protocol === 'https:' ? value : null
}

/** The list of pictures, be it `data: […]`, or nested as `data: {created, data: […]}`. */
function findItems(body: JsonObject): { items: readonly unknown[]; created: unknown } | null {
  const { data } = body
  if (Array.isArray(data)) return { items: data, created: body['created'] }
  if (isObject(data)) {
    if (Array.isArray(data['data'])) return { items: data['data'], created: data['created'] ?? body['created'] }
    // One picture that is not in a list.
    return { items: [data], created: data['created'] ?? body['created'] }
  }
  return null
}

/**
 * Whatever the provider sends of a result, in any of its shapes, as one Result; null where there is neither a picture nor
 * an error in it. A picture wins over an error beside it: it was made, and paid for.
 */
export function parseResult(body: unknown, fileOf: FileLookup): Result | null {
  if (!isObject(body)) return null
  const ids: Ids = { taskId: idOrNull(body['task_id']), traceId: idOrNull(body['trace_id']) }
  const found = findItems(body)
  const images = found?.items.map(item => parseImage(item, fileOf)).filter(image => image !== null) ?? []
  if (images.length > 0) {
    const created = found?.created
    return {
      kind: 'succeeded',
      ...ids,
      created: typeof created === 'number' && Number.isFinite(created) && created > 0 ? Math.floor(created) : null,
      images,
    }
  }
  const error = parseError(body)
  return error === null ? null : { kind: 'failed', ...ids, error }
}

/** What a submit with a callback is answered with; null where it is something else. */
export function parseAccepted(body: unknown): Accepted | null {
  if (!isObject(body) || body['success'] === false) return null
  const taskId = idOrNull(body['task_id'])
  return taskId === null ? null : { kind: 'accepted', taskId, traceId: idOrNull(body['trace_id']) }
}

export type TaskRecord = {
  taskId: string | null
  /** The callback URL that the record says was submitted: by it a task is known whose id is not. */
  callbackUrl: string | null
  /** null: still running. */
  result: Result | null
}

/** One record of the provider's tasks endpoint; null where it is none (such as the `{}` of an unknown id). */
export function parseRecord(record: unknown, fileOf: FileLookup): TaskRecord | null {
  if (!isObject(record)) return null
  const taskId = idOrNull(record['id']) ?? idOrNull(record['_id'])
  const request = isObject(record['request']) ? record['request'] : {}
  const callbackUrl = textOrNull(request['callback_url'])
  if (taskId === null && callbackUrl === null) return null
  const parsed = parseResult(record['response'], fileOf)
  const finished = record['finished_at'] !== null && record['finished_at'] !== undefined
  // A picture is taken even where the record does not say that it is over: it is there, and paid for.
  if (!finished && parsed?.kind !== 'succeeded') return { taskId, callbackUrl, result: null }
  const traceId = idOrNull(record['trace_id'])
  const result: Result = parsed ?? {
    kind: 'failed',
    taskId,
    traceId,
    error: { code: 'no_result', message: 'the provider finished without a picture', traceId },
  }
  return { taskId, callbackUrl, result: { ...result, taskId: result.taskId ?? taskId, traceId: result.traceId ?? traceId } }
}
