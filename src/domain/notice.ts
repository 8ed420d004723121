import { type JobView, timestamp } from './view.ts'

/** To how many characters texts are cut: to fewer only where the notice is too large otherwise. */
const textLengths = [1_000, 300, 100] as const
const maxNoticeBytes = 20_000
/** What is left out where that does not do, in this order. Everything is there at the job's own URL. */
const leftOut = ['params', 'warnings', 'inputs', 'metadata', 'errors'] as const

/** URLs are left whole: half of one is of no use. */
const links = new Set(['url', 'provider_url', 'self', 'events', 'cancel'])

function cutTexts(value: unknown, key: string, length: number): unknown {
  if (typeof value === 'string') {
    if (value.length <= length || links.has(key)) return value
    // Not in the middle of a surrogate pair.
    return `${value.slice(0, length - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
  }
  if (Array.isArray(value)) return value.map(item => cutTexts(item, key, length))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, cutTexts(item, name, length)]))
}

/** The body of a notice: thin, pictures as URLs, texts cut. @returns JSON of under 20 kB. */
export function noticeBody(type: string, at: number, job: JobView): string {
  const encode = (data: object): string => JSON.stringify({ type, timestamp: timestamp(at), data })
  let data: Record<string, unknown> = {}
  for (const length of textLengths) {
    data = { ...(cutTexts(job, '', length) as JobView) } // of the same shape: only texts are cut
    const body = encode(data)
    if (Buffer.byteLength(body) < maxNoticeBytes) return body
  }
  for (const field of leftOut) {
    data[field] = Array.isArray(data[field]) ? [] : {}
    const body = encode(data)
    if (Buffer.byteLength(body) < maxNoticeBytes) return body
  }
  return encode(data)
}
