import build, { type Schema } from 'fast-json-stringify'
import { namedSchemas } from './components.ts'

export type Serialise = (value: unknown) => string

const annotations = new Set(['examples', 'x-examples'])

function isNull(schema: unknown): boolean {
  return typeof schema === 'object' && schema !== null && 'type' in schema && schema.type === 'null'
}

/** What stands for `anyOf`, of which the library would find the right one by validating each value against each. */
function choice(options: readonly unknown[]): object {
  const [one, other, ...more] = options
  // A named schema, or null.
  if (isNull(other) && more.length === 0 && typeof one === 'object') return { ...one, nullable: true }
  // Anything: as JSON has it.
  return {}
}

function rewritten(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(rewritten)
  if (typeof schema !== 'object' || schema === null) return schema
  if ('anyOf' in schema && Array.isArray(schema.anyOf)) return choice(schema.anyOf)
  const kept = Object.entries(schema).filter(([key]) => !annotations.has(key))
  return Object.fromEntries(kept.map(([key, value]) => [key, rewritten(value)]))
}

/** A schema of the document in the words of the library, which checks by itself that it is one. */
const forLibrary = (schema: object): Schema => rewritten(schema) as Schema

const named = Object.fromEntries(namedSchemas.map(schema => [schema.$id, forLibrary(schema)]))

/** By their JSON: most answers of most routes look the same. */
const compiled = new Map<string, Serialise>()

/**
 * Writes values as a schema says: what it does not name is left out, and what it requires must be there.
 * @throws Error from the function it gives, where a value has not what the schema requires.
 */
export function serialiserOf(schema: object): Serialise {
  const key = JSON.stringify(schema)
  const known = compiled.get(key)
  if (known !== undefined) return known
  const serialise: Serialise = build(forLibrary(schema), { schema: named })
  compiled.set(key, serialise)
  return serialise
}
