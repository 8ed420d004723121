import { Readable } from 'node:stream'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { faultHelp } from './faults.ts'
import { encodeJson, textOf } from './json.ts'
import { findTasks } from './queries.ts'
import { badRequest, refusal, sendRefusal } from './refusal.ts'
import { sendPicture } from './serve.ts'
import { type Desk, handleSubmit } from './submit.ts'
import { recordShape } from './task.ts'

/** The documentation writes the path in more than one way. */
const editsPaths = ['/v1/openai/images/edits', '/v1/v1/images/edits', '/v1/images/edits']
const tasksPath = '/v1/openai/tasks'
const maxJsonBytes = 4 * 1024 * 1024
const requestTimeoutMs = 120_000

/** The routes of the sandbox. `openDesk` is asked with each request, for it needs the port, which is known late. */
export function buildApp(openDesk: () => Desk): FastifyInstance {
  const app = fastify({
    bodyLimit: maxJsonBytes,
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 500 },
    frameworkErrors: (error, _request, reply) => void answerError(error, reply),
  })
  app.setErrorHandler(async (error, _request, reply) => answerError(error, reply))
  app.setNotFoundHandler(async (_request, reply) => sendRefusal(reply, refusal(404, 'no_api', 'no such api')))
  // Left to the route, as the stream it is.
  app.addContentTypeParser('multipart/form-data', (_request, payload, done) => done(null, payload))

  for (const path of editsPaths) app.post(path, async (request, reply) => handleSubmit(openDesk(), request, reply))
  app.post(tasksPath, async (request, reply) => answerTasks(openDesk(), request, reply))
  app.get<{ Params: { name: string } }>('/files/:name', async (request, reply) =>
    sendPicture(openDesk().shelf, request.params.name, reply),
  )
  app.get('/', async () => ({
    name: 'darkroom sandbox',
    what: 'A stand-in for the provider: it takes edits, makes simple pictures of them, and calls back.',
    edits: editsPaths.map(path => `POST ${path}`),
    tasks: `POST ${tasksPath}`,
    faults: { how: 'write fault:<name> in a prompt, or set SANDBOX_FAULTS=name,name:0.5', names: faultHelp },
  }))
  return app
}

/** Whatever a client did wrong is a 400 in the provider's own shape. */
function answerError(error: unknown, reply: FastifyReply): FastifyReply {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  if (error instanceof Error && typeof status === 'number' && status >= 400 && status < 500) {
    return sendRefusal(reply, badRequest(error.message))
  }
  return sendRefusal(reply, refusal(500, 'api_error', 'the sandbox itself has failed'))
}

function answerTasks({ refuseKey, shelf, filesUrl }: Desk, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const found = refuseKey(request) ?? findTasks(request.body, shelf.tasks)
  if (found.kind === 'refusal') return sendRefusal(reply, found)
  const shape =
    found.kind === 'page'
      ? { items: found.tasks.map(task => recordShape(task, filesUrl)), count: found.count }
      : found.task === null
        ? {}
        : recordShape(found.task, filesUrl)
  return reply.type('application/json').send(Readable.from(textOf(encodeJson(shape)), { objectMode: false }))
}
