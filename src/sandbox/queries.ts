import { badRequest, type Refusal } from './refusal.ts'
import type { Task } from './task.ts'

/** What the tasks endpoint answers: one record, none, or a page of them. */
export type Found =
  | { readonly kind: 'one'; readonly task: Task | null }
  | { readonly kind: 'page'; readonly tasks: readonly Task[]; readonly count: number }

type Query = Readonly<Record<string, unknown>>

const defaultLimit = 12
const maxLimit = 100

/** Answers a request to the tasks endpoint, out of the tasks that are known, newest first. */
export function findTasks(body: unknown, tasks: readonly Task[]): Found | Refusal {
  if (typeof body !== 'object' || body === null) return badRequest('the body must be a JSON object')
  const query: Query = { ...body }
  if (query['action'] === undefined || query['action'] === 'retrieve') return findOne(query, tasks)
  if (query['action'] === 'retrieve_batch') return findPage(query, tasks)
  return badRequest('action must be retrieve or retrieve_batch')
}

function findOne({ id, trace_id: traceId }: Query, tasks: readonly Task[]): Found | Refusal {
  if (typeof id !== 'string' && typeof traceId !== 'string') return badRequest('id or trace_id is required')
  const task = tasks.find(one => (typeof traceId === 'string' ? one.traceId === traceId : one.id === id))
  return { kind: 'one', task: task ?? null }
}

function findPage(query: Query, tasks: readonly Task[]): Found | Refusal {
  const ids = textsOf(query['ids'])
  const traceIds = textsOf(query['trace_ids'])
  const from = numberOf(query['created_at_min'], 0)
  const to = numberOf(query['created_at_max'], Number.POSITIVE_INFINITY)
  const offset = numberOf(query['offset'], 0)
  const limit = numberOf(query['limit'], defaultLimit)
  if (ids === null || traceIds === null) return badRequest('ids and trace_ids must be arrays of texts')
  if (from === null || to === null) return badRequest('created_at_min and created_at_max must be seconds')
  if (offset === null || limit === null || offset < 0 || limit < 0) return badRequest('offset and limit must be 0 or more')

  const isNamed = (task: Task) => (!ids && !traceIds) || ids?.has(task.id) === true || traceIds?.has(task.traceId) === true
  const isTimely = ({ createdAt }: Task) => createdAt >= from * 1000 && createdAt <= to * 1000
  const isTyped = ({ order }: Task) => query['type'] === undefined || query['type'] === order.rules.recordType
  const matching = tasks.filter(task => isTyped(task) && isNamed(task) && isTimely(task))
  return { kind: 'page', tasks: matching.slice(offset, offset + Math.min(limit, maxLimit)), count: matching.length }
}

/** undefined where it is absent, null where it is something else. */
function textsOf(value: unknown): ReadonlySet<string> | null | undefined {
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value)) return null
  const texts = value.filter(item => typeof item === 'string')
  return texts.length === value.length ? new Set(texts) : null
}

function numberOf(value: unknown, absent: number): number | null {
  if (value === undefined || value === null) return absent
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}
