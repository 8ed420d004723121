import { type Dispatcher, request } from 'undici'
import type { Blobs, FileSink } from '../domain/ports.ts'
import { type RecordsQuery, recordsFolder } from '../domain/provider.ts'
import { parseError, parseRecord, type TaskRecord } from '../domain/result.ts'
import { LiftError, type Lifted, liftJson } from '../files/lift.ts'
import { pictureOptions } from '../files/pictures-in-results.ts'
import { unlessAborted } from './abort.ts'
import { discardUnused } from './leftovers.ts'
import { joinUrl } from './url.ts'

export type RecordsOptions = {
  baseUrl: string
  tasksPath: string
  apiKey: string
  blobs: Blobs
  maxAnswerBytes: number
  agent: Dispatcher
}

/** For everything together: an answer may hold a batch's pictures, and must not hold up all polling for ever. */
const answerTimeoutMs = 600_000
/** Of a whole batch of tasks with ten pictures each, and more. */
const maxPictures = 2_000

function queryBody(query: RecordsQuery): string {
  if ('taskIds' in query)
    return JSON.stringify({ action: 'retrieve_batch', ids: query.taskIds, offset: 0, limit: query.taskIds.length })
  const { offset, limit } = query
  // Never by type: it names the provider's worker, and has moved between its releases.
  const wanted =
    'traceIds' in query ? { trace_ids: query.traceIds } : { created_at_min: query.createdFromS, created_at_max: query.createdToS }
  return JSON.stringify({ action: 'retrieve_batch', ...wanted, offset, limit })
}

/** Whatever holds records: `{"items": […]}`, a list, or one record alone; `{}` holds none. */
function itemsOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  if (typeof value !== 'object' || value === null) return []
  if ('items' in value && Array.isArray(value.items)) return value.items
  return 'id' in value || '_id' in value ? [value] : []
}

/** The same question in two halves; null where it asks for one record only. */
function halvesOf(query: RecordsQuery): [RecordsQuery, RecordsQuery] | null {
  if ('taskIds' in query) {
    const half = Math.ceil(query.taskIds.length / 2)
    return query.taskIds.length < 2 ? null : [{ taskIds: query.taskIds.slice(0, half) }, { taskIds: query.taskIds.slice(half) }]
  }
  const half = Math.ceil(query.limit / 2)
  return query.limit < 2
    ? null
    : [
        { ...query, limit: half },
        { ...query, offset: query.offset + half, limit: query.limit - half },
      ]
}

/** Takes pictures that are not kept: those of a range may be anybody's. */
function nowhere(): FileSink {
  const file = { name: 'none', sizeBytes: 0, sha256: '', contentType: '', width: null, height: null }
  return { write: () => undefined, finish: async () => file, discard: async () => {} }
}

/** Makes the one call of the tasks endpoint. */
export function makeRecords(options: RecordsOptions) {
  const { blobs } = options
  const url = joinUrl(options.baseUrl, options.tasksPath)

  async function lift(query: RecordsQuery, body: Dispatcher.ResponseData['body']): Promise<Lifted> {
    const lifting = { ...pictureOptions(blobs, recordsFolder, options.maxAnswerBytes), maxFiles: maxPictures }
    try {
      return await liftJson(body, 'taskIds' in query ? lifting : { ...lifting, create: nowhere, remove: async () => {} })
    } catch (error) {
      body.on('error', () => {}).destroy()
      throw error
    }
  }

  async function askOnce(query: RecordsQuery, signal: AbortSignal): Promise<TaskRecord[]> {
    const asked = request(url, {
      dispatcher: options.agent,
      method: 'POST',
      headers: { authorization: `Bearer ${options.apiKey}`, 'content-type': 'application/json', accept: 'application/json' },
      body: queryBody(query),
      signal,
    })
    const { statusCode, body } = await unlessAborted(asked, signal)
    const lifted = await lift(query, body)
    const records =
      statusCode === 200
        ? itemsOf(lifted.value)
            .map(item => parseRecord(item, value => lifted.file(value)))
            .filter(record => record !== null)
        : []
    // A range, or a trace, only tells which task is whose: the results are then asked for by their ids.
    if (!('taskIds' in query)) for (const record of records) record.result = null
    const results = records.map(record => record.result).filter(result => result !== null)
    if ('taskIds' in query) await discardUnused(blobs, recordsFolder, lifted.files, results)
    if (statusCode === 200) return records
    const told = parseError(lifted.value)
    throw new Error(`the provider's tasks endpoint answered HTTP ${statusCode}${told === null ? '' : ` ${told.code}`}`)
  }

  /** An answer that is more than may be taken at once is asked for in halves, so that no task is out of reach for its neighbours' size. */
  async function ask(query: RecordsQuery, signal: AbortSignal): Promise<TaskRecord[]> {
    try {
      return await askOnce(query, signal)
    } catch (error) {
      const halves = error instanceof LiftError && error.kind !== 'malformed' ? halvesOf(query) : null
      if (halves === null) throw error
      const came: TaskRecord[] = []
      let failure: unknown = null
      for (const half of halves) {
        try {
          came.push(...(await ask(half, signal)))
        } catch (reason) {
          failure = reason
        }
      }
      if (came.length === 0 && failure !== null) throw failure
      return came
    }
  }

  return async (query: RecordsQuery, signal: AbortSignal): Promise<TaskRecord[]> => {
    const tooLong = new AbortController()
    const timer = setTimeout(() => tooLong.abort(new Error('the answer took too long')), answerTimeoutMs)
    try {
      return await ask(query, AbortSignal.any([signal, tooLong.signal]))
    } finally {
      clearTimeout(timer)
    }
  }
}
