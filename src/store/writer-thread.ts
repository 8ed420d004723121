import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { batchRunner, type WriteRequest } from './batch.ts'
import { openDatabase } from './open.ts'

/*
 * The writer thread: takes named commands, commits all that are waiting in one transaction with one fsync, and answers after
 * the commit. It runs in a worker because a commit blocks its thread for as long as the disk takes.
 */

function main(path: string, port: NonNullable<typeof parentPort>): void {
  const database = openDatabase(path, 'writer')
  const run = batchRunner(database)
  port.on('message', (first: string) => {
    const batch: WriteRequest[] = []
    let closing = false
    const take = (message: string): void => {
      if (message === 'close') closing = true
      else batch.push(...(JSON.parse(message) as WriteRequest[])) // only writer.ts has the other end
    }
    take(first)
    // Whatever came while the last commit was on its way to the disk joins this one.
    for (let more = receiveMessageOnPort(port); more !== undefined; more = receiveMessageOnPort(port)) take(String(more.message))
    if (batch.length > 0) port.postMessage(JSON.stringify(run(batch)))
    if (closing) {
      database.close()
      port.close()
    }
  })
  port.postMessage('ready')
}

if (parentPort !== null) main((workerData as { path: string }).path, parentPort) // set by writer.ts
