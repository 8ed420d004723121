import Database from 'better-sqlite3'
import { owner } from '../rows/identity.ts'

export type HandTask = { token: string; jobId: string; providerTaskId: string }

/** Fills the database of the service that is written by hand with tasks that wait for their callback. */
export function prepareByHand(path: string, tasks: readonly HandTask[]): void {
  const database = new Database(path)
  try {
    database.pragma('journal_mode = WAL')
    database.exec(`
      create table jobs (id text primary key, owner text not null, status text not null, model text not null, prompt text not null,
        params text not null, result text, created_at integer not null, completed_at integer);
      create table tasks (id integer primary key, job_id text not null references jobs (id), token text not null unique,
        provider_task_id text not null unique, status text not null, result text, completed_at integer);
      create index jobs_by_owner on jobs (owner, id);
      create index tasks_by_job on tasks (job_id);`)
    const job = database.prepare("insert into jobs values (?, ?, 'processing', 'gpt-image-2', ?, '{}', null, ?, null)")
    const task = database.prepare("insert into tasks values (null, ?, ?, ?, 'submitted', null, null)")
    database.transaction(() => {
      for (const { token, jobId, providerTaskId } of tasks) {
        job.run(
          jobId,
          owner,
          'Turn the background into a quiet harbour at dusk and leave the two people as they are.',
          Date.now(),
        )
        task.run(jobId, token, providerTaskId)
      }
    })()
    database.pragma('wal_checkpoint(TRUNCATE)')
  } finally {
    database.close()
  }
}

/** How many of its tasks and jobs have succeeded with a result. */
export function succeededByHand(path: string): number {
  const database = new Database(path, { readonly: true })
  try {
    const count = database
      .prepare(`select count(*) from tasks join jobs on jobs.id = job_id
        where tasks.status = 'succeeded' and jobs.status = 'succeeded' and jobs.result is not null`)
      .pluck()
      .get()
    return Number(count)
  } finally {
    database.close()
  }
}
