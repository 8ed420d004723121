import type { FaultName } from './faults.ts'
import { Base64Of, JsonText } from './json.ts'
import type { Order } from './order.ts'
import { standInOf } from './stand-ins.ts'

/** A picture that was made: a file in the sandbox's folder. */
export type Picture = { readonly name: string; readonly path: string; readonly sizeBytes: number; readonly contentType: string }

export type Result =
  | { readonly kind: 'pictures'; readonly pictures: readonly Picture[] }
  | { readonly kind: 'failure'; readonly code: string; readonly message: string }

/** A submit that was accepted, and what became of it. */
export type Task = {
  readonly id: string
  readonly traceId: string
  readonly order: Order
  readonly faults: ReadonlySet<FaultName>
  /** Holds what was sent in; removed as soon as the result is there. */
  readonly folder: string
  /** Milliseconds since 1970, as all times here; on the wire they are seconds. */
  readonly createdAt: number
  finishedAt: number | null
  result: Result | null
}

/** Where a result may be going: the shapes differ. */
export type Destination = 'answer' | 'callback' | 'record'

/** A result as the provider writes it. */
export function resultShape(task: Task, result: Result, destination: Destination, filesUrl: string): object {
  const ids = { task_id: task.id, trace_id: task.traceId }
  if (result.kind === 'failure') {
    const { code, message } = result
    return { success: false, ...ids, error: task.faults.has('string-error') ? message : { code, message } }
  }
  const { rules } = task.order
  const asBase64 = isBase64(task)
  const items = result.pictures.map(picture => itemShape(task, picture, asBase64, filesUrl))
  const data = task.faults.has('bad-item') ? [...items, { b64_json: Buffer.from('{"error":"no"}').toString('base64') }] : items
  const created = rules.bare ? 0 : Math.floor((task.finishedAt ?? task.createdAt) / 1000)
  const report = task.faults.has('usage') ? usageReport : {}
  if (destination === 'answer' && rules.bare) return { created, data, ...report }
  if (destination === 'callback' && asBase64) return { success: true, ...ids, data: { created, data }, ...report }
  return { success: true, ...ids, created, data, ...report, elapsed: elapsedSeconds(task) }
}

/** What a result says beside its pictures, where it says it. */
const usageReport = {
  usage: {
    input_tokens: 210,
    output_tokens: 4_160,
    total_tokens: 4_370,
    input_tokens_details: { image_tokens: 194, text_tokens: 16 },
  },
  cost: { amount: 0.37, currency: 'credit' },
}

function itemShape({ order, faults }: Task, picture: Picture, asBase64: boolean, filesUrl: string): object {
  if (asBase64) {
    const standIn = standInOf(faults)
    return { b64_json: standIn === null ? new Base64Of(picture.path, picture.sizeBytes) : standIn.bytes.toString('base64') }
  }
  const url = `${filesUrl}/${picture.name}`
  if (order.rules.bare) return { url, revised_prompt: order.prompt }
  return order.rules.nativeN ? { url } : { revised_prompt: order.prompt, url }
}

/** Whether a task's pictures go out as base64: such files are not served under a URL. */
export function isBase64({ order, faults }: Task): boolean {
  return order.asBase64 || faults.has('b64')
}

/** A task as the tasks endpoint shows it. */
export function recordShape(task: Task, filesUrl: string): object {
  const isOld = task.faults.has('old-record')
  const time = (at: number): number | string => (isOld ? new Date(at).toISOString() : at / 1000)
  const elapsed = task.finishedAt === null ? null : elapsedSeconds(task)
  return {
    id: task.id,
    _id: task.id,
    type: task.order.rules.recordType,
    trace_id: task.traceId,
    request: new JsonText(echoOf(task)),
    response: task.result === null ? null : resultShape(task, task.result, 'record', filesUrl),
    created_at: time(task.createdAt),
    started_at: time(task.createdAt),
    finished_at: task.finishedAt === null ? null : time(task.finishedAt),
    ...(isOld ? { duration: elapsed } : { elapsed }),
  }
}

/** What was submitted, as far as the record repeats it. */
function echoOf({ order, faults }: Task): string {
  const isLeftOut = (key: string): boolean =>
    (key === 'callback_url' && faults.has('bare-record')) || (key === 'trace_id' && faults.has('own-trace'))
  if (!faults.has('bare-record') && !faults.has('own-trace')) return order.echo
  return JSON.stringify(JSON.parse(order.echo), (key, value: unknown) => (isLeftOut(key) ? undefined : value))
}

function elapsedSeconds({ createdAt, finishedAt }: Task): number {
  return ((finishedAt ?? createdAt) - createdAt) / 1000
}
