import { type JobView, timestamp } from './view.ts'

/** To how many characters texts are cut: to fewer only where the notice is too large otherwise. */
const textLengths = [1_000, 300, 100] as const
const maxNoticeBytes = 20_000
/** Of so many pictures no notice is told the rest: no request may ask for more. */
const maxPictures = 10

type Data = Readonly<Record<string, unknown>>

/** What is left out where that does not do, one after the other. Everything is there at the job's own URL. */
const leavingOut: readonly ((data: Data) => Data)[] = [
  data => ({ ...data, params: {} }),
  data => ({ ...data, warnings: [] }),
  data => ({ ...data, inputs: [] }),
  data => ({ ...data, late_result: withoutProviderUrls(data['late_result']), result: withoutProviderUrls(data['result']) }),
  data => ({ ...data, errors: [] }),
  data => ({ ...data, tasks: [] }),
  data => ({ ...data, metadata: {} }),
  data => ({ ...data, late_result: null }),
]

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

/** A result whose pictures have no other URL than ours; what is no result stays as it is. */
function withoutProviderUrls(result: unknown): unknown {
  if (typeof result !== 'object' || result === null || !('data' in result) || !Array.isArray(result.data)) return result
  const pictures: readonly object[] = result.data.slice(0, maxPictures)
  return { ...result, data: pictures.map(picture => ({ ...picture, provider_url: null })) }
}

/** The body of a notice: thin, pictures as URLs, texts cut. @returns JSON of under 20 kB. */
export function noticeBody(type: string, at: number, job: JobView): string {
  const encode = (data: object): string => JSON.stringify({ type, timestamp: timestamp(at), data })
  let data: Data = {}
  for (const length of textLengths) {
    data = { ...(cutTexts(job, '', length) as JobView) } // of the same shape: only texts are cut
    const body = encode(data)
    if (Buffer.byteLength(body) < maxNoticeBytes) return body
  }
  for (const leaveOut of leavingOut) {
    data = leaveOut(data)
    const body = encode(data)
    if (Buffer.byteLength(body) < maxNoticeBytes) return body
  }
  return encode(data)
}
