import { deliverySchemas } from './deliveries.ts'
import { errorSchemas } from './error.ts'
import { jobSchemas } from './job.ts'
import { openAiSchemas } from './openai.ts'
import type { NamedSchema, Schema } from './schema.ts'

/** The name of a schema under `components` of the document. */
export function nameOf(schema: Schema): string {
  const { $id } = schema
  if (typeof $id !== 'string') throw new TypeError('only schemas that have a name are referred to')
  return $id
}

/** Every schema that has a name. */
export const namedSchemas: readonly NamedSchema[] = [...jobSchemas, ...errorSchemas, ...deliverySchemas, ...openAiSchemas]
