/** A JSON schema as data: what the API's document shows, and what answers are serialised by. */
export type Schema = Readonly<Record<string, unknown>>

/** A schema that has a name in the document. */
export type NamedSchema = Schema & { $id: string }

/** Names a schema of components.ts. */
export const ref = (name: string): Schema => ({ $ref: `${name}#` })

export const text = (description: string, more: Schema = {}): Schema => ({ type: 'string', description, ...more })
export const integer = (description: string, more: Schema = {}): Schema => ({ type: 'integer', description, ...more })
export const number = (description: string, more: Schema = {}): Schema => ({ type: 'number', description, ...more })
export const flag = (description: string, more: Schema = {}): Schema => ({ type: 'boolean', description, ...more })
export const oneOf = (description: string, values: readonly (string | number)[], more: Schema = {}): Schema => ({
  type: typeof values[0] === 'number' ? 'integer' : 'string',
  enum: values,
  description,
  ...more,
})
export const time = (description: string): Schema => text(`${description} RFC 3339, UTC.`, { format: 'date-time' })
export const list = (items: Schema, description: string, more: Schema = {}): Schema => ({
  type: 'array',
  items,
  description,
  ...more,
})

/** Whatever JSON has. */
export const anything = (description: string): Schema => ({ description })

/** An object that always has all of these fields. */
export function object(properties: Record<string, Schema>, more: Schema = {}): Schema {
  return { type: 'object', required: Object.keys(properties), properties, ...more }
}

export function named($id: string, schema: Schema): NamedSchema {
  return { $id, title: $id, ...schema }
}

/** The schema, or null. */
export function orNull(schema: Schema, description?: string): Schema {
  const said = description === undefined ? {} : { description }
  if ('$ref' in schema) return { ...said, anyOf: [schema, { type: 'null' }] }
  const { type, enum: values } = schema
  return { ...schema, ...said, type: [type, 'null'], ...(Array.isArray(values) ? { enum: [...values, null] } : {}) }
}
