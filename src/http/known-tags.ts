import type { FastifyRequest } from 'fastify'

/** The ETags of what the client has already (If-None-Match), weak ones as if they were strong; `*` stands for any. */
export function knownTags({ headers }: FastifyRequest): string[] {
  const given = headers['if-none-match']
  return given === undefined ? [] : given.split(',').map(one => one.trim().replace(/^W\//, ''))
}
