import type { FastifyRequest } from 'fastify'
import { checkIdempotencyKey } from '../domain/request.ts'
import type { Order } from '../steps/accept.ts'
import { callerOf } from './access.ts'

/** A header that stands there once, or not at all. */
export function headerOf(request: FastifyRequest, name: string): string | null {
  const value = request.headers[name]
  return typeof value === 'string' ? value : null
}

/** What a request for a job is, before its body is read. @throws ServiceError where its Idempotency-Key is none. */
export function orderOf(request: FastifyRequest, newId: (prefix: string) => string): Order {
  const key = headerOf(request, 'idempotency-key')
  return { jobId: newId('job'), owner: callerOf(request).owner, idempotencyKey: key === null ? null : checkIdempotencyKey(key) }
}
