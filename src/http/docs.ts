import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import send from '@fastify/send'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ServiceError } from '../domain/errors.ts'
import { docs } from './schema/operations/service.ts'

const ours = join(import.meta.dirname, 'docs')
/** Swagger UI as the plugin carries it; the plugin itself would add routes of its own, and loads what is not needed here. */
const library = join(dirname(fileURLToPath(import.meta.resolve('@fastify/swagger-ui'))), 'static')

const dayMs = 86_400_000
/** By their names under /docs/: where they lie, and how long a browser keeps them without asking. */
const files: ReadonlyMap<string, { root: string; maxAgeMs: number }> = new Map([
  // As the page itself: after an upgrade, a new page must not run an old script.
  ['page.js', { root: ours, maxAgeMs: 0 }],
  ['page.css', { root: ours, maxAgeMs: 0 }],
  ['swagger-ui-bundle.js', { root: library, maxAgeMs: dayMs }],
  ['swagger-ui.css', { root: library, maxAgeMs: dayMs }],
])

const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    // Icons in the stylesheet, and pictures that were answered.
    "img-src 'self' data: blob:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-cache',
}

async function sendFile(request: FastifyRequest, reply: FastifyReply, name: string): Promise<FastifyReply> {
  const file = files.get(name)
  if (file === undefined) throw new ServiceError('not_found', 'there is no such file')
  const found = await send(request.raw, `/${name}`, { root: file.root, maxAge: file.maxAgeMs })
  if (found.type === 'error') throw found.metadata.error
  reply.code(found.statusCode).headers(found.headers)
  if (file.maxAgeMs === 0) reply.header('cache-control', 'no-cache')
  return reply.send(found.stream)
}

/** `GET /docs`: the API's document as a page that tries requests out. It loads nothing from elsewhere. */
export async function docsRoutes(app: FastifyInstance): Promise<void> {
  const page = readFileSync(join(ours, 'page.html'), 'utf8')
  const open = { config: { access: 'open' } } as const
  app.get('/docs', { ...open, schema: docs }, async (_request, reply) => reply.headers(pageHeaders).send(page))
  // Its files are named relative to /docs.
  app.get('/docs/', open, async (_request, reply) => reply.redirect('../docs', 308))
  app.get<{ Params: { name: string } }>('/docs/:name', open, async (request, reply) =>
    sendFile(request, reply, request.params.name),
  )
}
