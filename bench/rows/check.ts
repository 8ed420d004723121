import Database from 'better-sqlite3'
import type { PreparedTask } from './jobs.ts'

type Found = { status: string; job: string; images: number; callbacks: number }

/**
 * Looks at the rows that a callback leaves, of every one of the tasks.
 * @throws Error where something is not as it must be: then what was measured is void.
 */
export function checkSucceeded(path: string, tasks: readonly PreparedTask[]): void {
  const database = new Database(path, { readonly: true })
  try {
    const select = database.prepare<{ taskId: number }, Found>(`
      select tasks.status, jobs.status as job,
        (select count(*) from images where job_id = jobs.id) as images,
        (select count(*) from callbacks where job_id = jobs.id and outcome = 'applied') as callbacks
      from tasks join jobs on jobs.id = job_id where tasks.id = @taskId`)
    const wanted = JSON.stringify({ status: 'succeeded', job: 'succeeded', images: 1, callbacks: 1 } satisfies Found)
    for (const { taskId } of tasks) {
      const found = JSON.stringify(select.get({ taskId }))
      if (found !== wanted) throw new Error(`task ${taskId}, whose callback was answered with 200, is ${found} in the database`)
    }
  } finally {
    database.close()
  }
}
