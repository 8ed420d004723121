import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/*
 * A provider of a known answer time, in a process of its own: takes edits, and answers each with a task's id. It times itself,
 * from the head of a request to the end of its answer, and tells its times when it is asked.
 * Argument: how long it takes, in ms.
 */

const answerMs = Number(process.argv[2])
const timesMs: Record<string, number> = {}
let count = 0

const server = createServer((request, response) => {
  const startedAt = performance.now()
  const taskId = `bench-${process.pid}-${(count += 1)}`
  request.resume()
  response.once('finish', () => (timesMs[taskId] = performance.now() - startedAt))
  const answer = JSON.stringify({ task_id: taskId })
  void Promise.all([sleep(answerMs), once(request, 'end')]).then(() =>
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length }).end(answer),
  )
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const address = server.address()
process.send?.({ port: typeof address === 'object' ? address?.port : null })
process.on('message', () => process.send?.({ timesMs }))
process.on('disconnect', () => process.exit(0))
