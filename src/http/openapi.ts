import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { namedSchemas, nameOf } from './schema/components.ts'
import { openApi } from './schema/operations/service.ts'
import { serialiserOf } from './schema/serialise.ts'
import { webhooks } from './schema/webhooks.ts'

export type OpenApiDeps = {
  version: string
  /** What our URLs begin with. Known for good once the service listens. */
  baseUrl: () => string
}

const description = `Image-edit jobs for a provider that takes a minute or more. Names are in snake_case, times are RFC 3339 in UTC, sizes are bytes.

A key goes with each request as \`Authorization: Bearer …\`. Where no keys are configured, none is needed.

Every answer has an \`x-request-id\`; a request may bring its own.`

const tags = [
  { name: 'jobs', description: 'Submit edits, read them, change them.' },
  { name: 'pictures', description: 'The pictures of a job.' },
  { name: 'events', description: 'What happens, as server-sent events.' },
  { name: 'webhooks', description: 'What is sent to you, and what was sent.' },
  { name: 'openai', description: 'The interface of OpenAI, and of the provider.' },
  { name: 'service', description: 'About the service itself.' },
  { name: 'provider', description: 'For the provider only.' },
]

const securitySchemes = {
  bearer: { type: 'http', scheme: 'bearer', description: 'One of `API_KEYS`, or the `ADMIN_KEY`.' },
  admin: { type: 'http', scheme: 'bearer', description: 'The `ADMIN_KEY` only.' },
  signature: { type: 'apiKey', in: 'query', name: 'sig', description: 'In the URLs that a job shows, with `exp`.' },
} as const

const requestIdHeader = { description: 'Finds this request in the log.', schema: { type: 'string' } } as const

/**
 * Collects the schemas of the routes that are added after it, serialises answers by them, and gives a way to read the document
 * that they make.
 */
export async function addOpenApi(app: FastifyInstance, { version }: OpenApiDeps): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Darkroom', version, description, license: { name: 'MIT', identifier: 'MIT' } },
      tags,
      security: [{ bearer: [] }],
      components: { securitySchemes, headers: { RequestId: requestIdHeader } },
      webhooks,
    },
    // Pages and their files are no part of the API.
    hideUntagged: true,
    convertConstToEnum: false,
    refResolver: { buildLocalReference: nameOf },
  })
  for (const schema of namedSchemas) app.addSchema(schema)
  // Requests are checked by hand, with messages that say what would be right; their schemas tell the same to readers.
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(({ schema }) => serialiserOf(schema))
}

type Answered = { responses?: Record<string, { headers?: object }> }

/** The document, with what is the same for all of its answers. */
function documentOf(app: FastifyInstance, baseUrl: string): object {
  const document = app.swagger()
  // The library's own type is of every version of OpenAPI at once; this much holds for each.
  const paths = document.paths as Record<string, Record<string, Answered>>
  for (const operation of Object.values(paths).flatMap(path => Object.values(path)))
    for (const answer of Object.values(operation.responses ?? {}))
      answer.headers = { ...answer.headers, 'x-request-id': { $ref: '#/components/headers/RequestId' } }
  return { ...document, servers: [{ url: baseUrl }] }
}

/** `GET /openapi.json`: made at its first request, once everything is known. */
export function openApiRoutes({ baseUrl }: OpenApiDeps) {
  return async (app: FastifyInstance): Promise<void> => {
    let text: string | null = null
    app.get('/openapi.json', { config: { access: 'open' }, schema: openApi }, async (_request, reply) => {
      text ??= JSON.stringify(documentOf(app, baseUrl()))
      return reply.header('cache-control', 'no-cache').type('application/json; charset=utf-8').send(text)
    })
  }
}
