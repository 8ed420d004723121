import Database from 'better-sqlite3'
import type { Generator, Target } from '../load/generate.ts'
import { expect, postHead } from '../load/protocol.ts'
import type { PreparedTask } from './jobs.ts'
import { applied, callbackPath } from './waiting.ts'

/** A failure leaves no picture to be copied or written, so that nothing goes on in the background. */
const body = JSON.stringify({ success: false, error: { code: 'forbidden', message: 'the request was refused by moderation' } })

function tasksOf(databasePath: string, status: 'submitted' | 'failed'): PreparedTask[] {
  const database = new Database(databasePath, { readonly: true })
  try {
    return database
      .prepare<[string], PreparedTask>(
        'select id as taskId, job_id as jobId, provider_task_id as providerTaskId from tasks where status = ?',
      )
      .all(status)
  } finally {
    database.close()
  }
}

/** Sends all tasks that wait a callback that ends them. @returns how many of them have failed, those of earlier calls among them. */
export async function endSubmitted(target: Target, databasePath: string, generator: Generator): Promise<number> {
  const requests = tasksOf(databasePath, 'submitted').map(task => ({
    head: postHead(callbackPath(task), body.length) + body,
    answer: expect(200, applied),
  }))
  await generator.run(target, { connections: 16, requests })
  return tasksOf(databasePath, 'failed').length
}
