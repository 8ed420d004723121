import type { JobRecord } from './records.ts'
import type { TaskRecord } from './result.ts'
import { sentClientTrace, withoutTrace } from './trace.ts'

/** A task whose submit was never answered, and when that was, as near as we know. */
export type LostTask = { taskId: number; job: JobRecord; from: number; to: number }

/** Whether a record tells of a submit that this task may have made: at that time, of this very request. */
export function mayBeOf(record: TaskRecord, { job, from, to }: LostTask): boolean {
  if (record.createdAt === null || record.createdAt < from || record.createdAt > to) return false
  return record.traceIds.includes(sentClientTrace(job) ?? '') && isSameRequest(record, job)
}

/** Whether a record repeats a job's request. What it leaves out may be as it was. */
export function isSameRequest({ request }: TaskRecord, job: JobRecord): boolean {
  if (request['model'] !== job.model || request['prompt'] !== job.prompt) return false
  const given = Object.entries(withoutTrace(job))
  const differs = ([name, value]: [string, unknown]): boolean => {
    const repeated = request[name]
    return repeated !== undefined && repeated !== null && asText(repeated) !== asText(value)
  }
  return !given.some(differs) && hasSamePictures(request['image'] ?? request['image_urls'], job)
}

/** A form holds everything as text. */
function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** Compares pictures that were sent as URLs; of files a record shows nothing that could be compared. */
function hasSamePictures(shown: unknown, job: JobRecord): boolean {
  const isUrl = (value: unknown): value is string => typeof value === 'string' && /^https?:/.test(value)
  const theirs = [shown].flat().filter(isUrl)
  const ours = job.inputs.filter(input => input.role === 'image').map(input => input.url)
  return theirs.length === 0 || !ours.every(isUrl) || theirs.join(' ') === ours.join(' ')
}
