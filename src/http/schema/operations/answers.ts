import type { Schema } from '../schema.ts'

type Answer = { description: string; headers?: Schema; schema?: Schema; examples?: Schema; type?: string }

/** An answer with a body of one media type (JSON unless said otherwise), or with none. */
export function answer({ description, headers, schema, examples, type = 'application/json' }: Answer): Schema {
  const said = { description, ...(headers === undefined ? {} : { headers }) }
  if (schema === undefined) return { ...said, type: 'null' }
  return { ...said, content: { [type]: { schema, ...(examples === undefined ? {} : { examples }) } } }
}

export const header = (description: string, more: Schema = {}): Schema => ({ type: 'string', description, ...more })

export const retryAfter = {
  'Retry-After': { type: 'integer', description: 'Seconds after which asking again makes sense; not of a final job.' },
}

export const replayed = {
  'Idempotent-Replayed': header('`true` where this is the answer of an earlier request.', { enum: ['true'] }),
}

/** What every route that needs a key may answer. */
export const keyed = [401, 429, 500, 503] as const

/** What a route that reads a body may answer besides. */
export const withBody = [400, 408, 413, 415, 507] as const
