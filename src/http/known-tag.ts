import type { FastifyRequest } from 'fastify'

/** Whether the client has this already (If-None-Match): `*` stands for whatever there is, and a weak tag counts as a strong one. */
export function isKnown({ headers }: FastifyRequest, etag: string): boolean {
  const given = headers['if-none-match']?.split(',').map(one => one.trim().replace(/^W\//, '')) ?? []
  return given.includes(etag) || given.includes('*')
}
