import { type Dispatcher, request } from 'undici'
import type { Blobs } from '../domain/ports.ts'
import { type RecordsQuery, recordsFolder } from '../domain/provider.ts'
import { parseError, parseRecord, type TaskRecord } from '../domain/result.ts'
import { liftJson } from '../files/lift.ts'
import { pictureOptions } from '../files/pictures-in-results.ts'
import { joinUrl } from './url.ts'

export type RecordsOptions = {
  baseUrl: string
  tasksPath: string
  apiKey: string
  blobs: Blobs
  maxAnswerBytes: number
  agent: Dispatcher
}

const answerTimeoutMs = 30_000

function queryBody(query: RecordsQuery): string {
  if ('taskIds' in query)
    return JSON.stringify({ action: 'retrieve_batch', ids: query.taskIds, offset: 0, limit: query.taskIds.length })
  return JSON.stringify({
    action: 'retrieve_batch',
    type: 'images',
    created_at_min: query.createdFromS,
    created_at_max: query.createdToS,
    offset: query.offset,
    limit: query.limit,
  })
}

/** Whatever holds records: `{"items": […]}`, a list, or one record alone; `{}` holds none. */
function itemsOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  if (typeof value !== 'object' || value === null) return []
  if ('items' in value && Array.isArray(value.items)) return value.items
  return 'id' in value ? [value] : []
}

/** Makes the one call of the tasks endpoint. */
export function makeRecords(options: RecordsOptions) {
  const url = joinUrl(options.baseUrl, options.tasksPath)
  return async (query: RecordsQuery, signal: AbortSignal): Promise<TaskRecord[]> => {
    const { statusCode, body } = await request(url, {
      dispatcher: options.agent,
      method: 'POST',
      headers: { authorization: `Bearer ${options.apiKey}`, 'content-type': 'application/json', accept: 'application/json' },
      body: queryBody(query),
      headersTimeout: answerTimeoutMs,
      signal,
    })
    const lifted = await liftJson(body, pictureOptions(options.blobs, recordsFolder, options.maxAnswerBytes))
    if (statusCode !== 200) {
      const told = parseError(lifted.value)
      throw new Error(`the provider's tasks endpoint answered HTTP ${statusCode}${told === null ? '' : ` ${told.code}`}`)
    }
    return itemsOf(lifted.value)
      .map(item => parseRecord(item, value => lifted.file(value)))
      .filter(record => record !== null)
  }
}
