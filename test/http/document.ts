import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { default as addFormats } from 'ajv-formats'
import type { Running } from '../support/service.ts'

type Json = Readonly<Record<string, unknown>>
export type Media = { schema: Json; example?: unknown; examples?: Record<string, { value: unknown }> }
export type Answer = { description: string; headers?: Record<string, unknown>; content?: Record<string, Media> }
export type Operation = {
  operationId: string
  tags: string[]
  summary: string
  security?: Record<string, string[]>[]
  parameters?: { name: string; in: string; required?: boolean; description?: string; schema: Json; example?: unknown }[]
  requestBody?: { content: Record<string, Media> }
  responses: Record<string, Answer>
}
export type ApiDocument = {
  openapi: string
  info: { version: string }
  servers: { url: string }[]
  paths: Record<string, Record<string, Operation>>
  webhooks: Record<string, { post: Operation }>
  components: { schemas: Record<string, Json> }
}

export async function readDocument(service: Running, headers: Record<string, string> = {}): Promise<ApiDocument> {
  const response = await service.call('/openapi.json', { headers })
  if (response.status !== 200) throw new Error(`GET /openapi.json answered ${response.status}`)
  return (await response.json()) as ApiDocument
}

/** `GET /jobs/{taskId}`, …: every operation of the document. */
export function operationsOf(document: ApiDocument): Map<string, Operation> {
  const named = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const),
  )
  return new Map(named)
}

/** The schema with no room for what it does not name, where it names fields and says nothing of others. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed)
  if (typeof schema !== 'object' || schema === null) return schema
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]))
  return 'properties' in schema && !('additionalProperties' in schema) ? { ...inner, additionalProperties: false } : inner
}

export type Check = (schema: Json, value: unknown) => string[]

/** Tells what is wrong with a value by a schema of the document; nothing unnamed may be in it. */
export function checkerOf(document: ApiDocument): Check {
  const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true, strictRequired: false })
  addFormats.default(ajv)
  ajv.addKeyword('components')
  const components = closed(document.components)
  const compiled = new Map<Json, ValidateFunction>()
  return (schema, value) => {
    const validate = compiled.get(schema) ?? ajv.compile({ ...(closed(schema) as Json), components })
    compiled.set(schema, validate)
    validate(value)
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
    )
  }
}

/** The schema of that name. */
export const named = (name: string): Json => ({ $ref: `#/components/schemas/${name}` })
