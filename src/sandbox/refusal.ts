import { randomUUID } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import type { FaultName } from './faults.ts'

/** An answer that says no; nothing was accepted and nothing is charged. */
export type Refusal = {
  readonly kind: 'refusal'
  readonly status: number
  readonly code: string
  readonly message: string
}

export function refusal(status: number, code: string, message: string): Refusal {
  return { kind: 'refusal', status, code, message }
}

export function badRequest(message: string): Refusal {
  return refusal(400, 'bad_request', message)
}

/** The HTTP status that goes with an error code, for results that are answered on a held connection. */
export function statusOf(code: string): number {
  return code === 'bad_request' ? 400 : 500
}

const tooMany = refusal(429, 'too_many_requests', 'too many requests')
const fetchFailed = refusal(500, 'api_error', 'fetch failed')

const refusalsByFault: readonly [FaultName, Refusal][] = [
  ['bad_key', refusal(401, 'invalid_token', 'invalid token')],
  ['used_up', refusal(403, 'used_up', 'the balance is used up')],
  ['503-used_up', refusal(503, 'used_up', 'Insufficient credit balance')],
  ['413', refusal(413, 'too_large', 'Request Entity Too Large')],
  ['moderation', refusal(403, 'forbidden', 'the request was rejected by content moderation')],
  ['redirect', refusal(302, 'redirect', 'moved')],
  ['429', tooMany],
  ['always-429', tooMany],
  ['500', fetchFailed],
  ['always-500', fetchFailed],
]

/** The refusal that the faults ask for, where they do. */
export function refusalOf(faults: ReadonlySet<FaultName>): Refusal | null {
  return refusalsByFault.find(([name]) => faults.has(name))?.[1] ?? null
}

/** Sends a refusal in the provider's own shape. */
export function sendRefusal(reply: FastifyReply, { status, code, message }: Refusal): FastifyReply {
  if (status === 429) void reply.header('retry-after', '1')
  if (status === 302)
    return reply.code(302).header('location', '/elsewhere').type('text/html').send('<html><body>Found</body></html>')
  if (status === 413)
    return reply.code(413).type('text/html').send(`<html><head><title>413 ${message}</title></head><body>nginx</body></html>`)
  return reply.code(status).send({ success: false, error: { code, message }, trace_id: randomUUID() })
}
