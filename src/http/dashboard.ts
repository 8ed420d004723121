import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'

/** Where this file lies decides, not the folder that the process was started in. */
const folder = join(import.meta.dirname, '..', 'dashboard')
const library = fileURLToPath(import.meta.resolve('htm/preact/standalone'))
/** For whoever works on the page: no browser needs these. */
const notServed = ['**/*.ts', '**/*.json', 'index.html']

const pageHeaders = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    // Pictures that were chosen but not sent yet, and those that need a key, are blobs.
    "img-src 'self' blob: data:",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  // Kept, but asked for each time: an upgrade shows at once.
  'cache-control': 'no-cache',
}

/** The dashboard: its page at `/`, and under `/assets/` exactly the files that it is made of. */
export async function dashboardRoutes(app: FastifyInstance): Promise<void> {
  app.addHook('onRoute', route => {
    route.config = { ...route.config, access: 'open' }
  })
  app.addHook('onSend', async (_request, reply) => {
    void reply.headers(pageHeaders)
  })
  await app.register(fastifyStatic, {
    root: folder,
    prefix: '/assets/',
    // A route for each file that is there: every other path is unknown, and is answered like any unknown path.
    wildcard: false,
    globIgnore: notServed,
    cacheControl: false,
  })
  app.get('/', async (_request, reply) => reply.sendFile('index.html'))
  app.get('/assets/htm-preact.js', async (_request, reply) =>
    reply.sendFile(library.slice(dirname(library).length + 1), dirname(library)),
  )
}
