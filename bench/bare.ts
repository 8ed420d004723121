import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import Fastify from 'fastify'

/*
 * What the service is measured against: Fastify with nothing behind it. It parses the same bodies, answers the same bytes, and
 * keeps nothing, except for pictures in base64: those it writes and syncs, after reading the body whole, as most services do.
 * Arguments: a file with the answers to reads, as JSON by id, and a folder for pictures.
 */

type Result = { data: { data: { b64_json?: string }[] } }
type ByToken = { Params: { token: string }; Body: Result }

const [answersPath = '', folder = ''] = process.argv.slice(2)
// Written by the measuring process, as strings by id.
const answers = new Map(Object.entries(JSON.parse(await readFile(answersPath, 'utf8')) as Record<string, string>))
const received = { received: true, outcome: 'applied' }
const app = Fastify({ logger: false, bodyLimit: 64 * 2 ** 20, routerOptions: { maxParamLength: 1_000 } })

app.post<ByToken>('/callbacks/:token', async request => {
  if (!Array.isArray(request.body.data.data)) throw new Error('no result')
  return received
})

app.post<{ Params: { name: string }; Body: Result }>('/pictures/:name', async request => {
  const [picture] = request.body.data.data
  const file = await open(join(folder, request.params.name), 'wx')
  try {
    await file.writeFile(Buffer.from(picture?.b64_json ?? '', 'base64'))
    await file.datasync()
  } finally {
    await file.close()
  }
  return received
})

app.get<{ Params: { id: string } }>('/jobs/:id', (request, reply) => {
  void reply.type('application/json; charset=utf-8').send(answers.get(request.params.id))
})

await app.listen({ host: '127.0.0.1', port: 0 })
const address = app.server.address()
process.send?.({ port: typeof address === 'object' ? address?.port : null })
// Goes with the process that measures, however that ends.
process.on('disconnect', () => process.exit(0))
