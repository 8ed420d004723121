import { readFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import Fastify from 'fastify'
import { listen } from './listen.ts'

/*
 * Fastify with nothing behind it. It parses the same bodies, answers the same bytes, and keeps nothing.
 * Argument: a file with the answers to GETs, as a JSON object by path; none: it has no answers.
 */

const [answersPath] = process.argv.slice(2)
// Written by the measuring process.
const texts = answersPath === undefined ? {} : (JSON.parse(await readFile(answersPath, 'utf8')) as Record<string, string>)
const answers = new Map(Object.entries(texts))
const readers = new Set<ServerResponse>()
const app = Fastify({ logger: false, routerOptions: { maxParamLength: 1_000 } })

type Result = { data: { data: unknown[] } }

app.post<{ Body: Result }>('/callbacks/:token', async request => {
  if (!Array.isArray(request.body.data.data)) throw new Error('no result')
  return { received: true, outcome: 'applied' }
})

app.get('/jobs', (request, reply) => {
  void reply.type('application/json; charset=utf-8').send(answers.get(request.url))
})
app.get('/jobs/:id', (request, reply) => {
  void reply.type('application/json; charset=utf-8').send(answers.get(request.url))
})

/** What is POSTed goes to all who read. */
app.get('/events', (request, reply) => {
  reply.hijack()
  reply.raw.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' })
  reply.raw.flushHeaders()
  readers.add(reply.raw)
  request.raw.once('close', () => readers.delete(reply.raw))
})
app.post<{ Body: { text: string } }>('/events', async request => {
  for (const reader of readers) reader.write(request.body.text)
  return { received: true }
})

await listen(app)
