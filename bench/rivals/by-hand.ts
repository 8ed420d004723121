import Database from 'better-sqlite3'
import Fastify from 'fastify'
import { listen } from './listen.ts'

/*
 * The service that one would write by hand: Fastify, better-sqlite3 on the main thread, a commit for each callback with the same
 * durability (WAL, FULL), and the least number of rows: the task and its job, with the result as JSON.
 * Argument: the database file.
 */

type Result = { success: boolean; data: { created: number; data: { url: string; revised_prompt: string | null }[] } }

const [path = ''] = process.argv.slice(2)
const database = new Database(path)
database.pragma('journal_mode = WAL')
database.pragma('synchronous = FULL')
const find = database.prepare<[string], { id: number; job_id: string; status: string }>(
  'select id, job_id, status from tasks where token = ?',
)
const endTask = database.prepare(
  "update tasks set status = 'succeeded', result = ?, completed_at = ? where id = ? and status = 'submitted'",
)
const endJob = database.prepare("update jobs set status = 'succeeded', result = ?, completed_at = ? where id = ?")
const apply = database.transaction((task: { id: number; job_id: string }, result: string, now: number): boolean => {
  if (endTask.run(result, now, task.id).changes === 0) return false
  endJob.run(result, now, task.job_id)
  return true
})
const app = Fastify({ logger: false, routerOptions: { maxParamLength: 1_000 } })

app.post<{ Params: { token: string }; Body: Result }>('/callbacks/:token', async (request, reply) => {
  const task = find.get(request.params.token)
  if (task === undefined) return reply.code(404).send({ error: 'not found' })
  if (!Array.isArray(request.body.data.data)) return reply.code(400).send({ error: 'no result' })
  const applied = apply.immediate(task, JSON.stringify(request.body.data), Date.now())
  return { received: true, outcome: applied ? 'applied' : 'duplicate' }
})

await listen(app)
