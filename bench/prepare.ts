import { join } from 'node:path'
import Database from 'better-sqlite3'
import { idMaker } from '../src/domain/ids.ts'
import type { NewJob } from '../src/domain/store.ts'
import { type Commands, makeCommands } from '../src/store/commands.ts'
import { migrate, readMigrations } from '../src/store/migrate.ts'

/** What the service is run with here, so that tokens can be made for it. */
export const secret = 'a-secret-for-measuring-only-0123456789'
export const owner = 'bench'
export const apiKey = 'bench-key-0123456789'

export type PreparedTask = { taskId: number; jobId: string; providerTaskId: string }

/** Tasks claimed in one step: each claim looks at all that are queued, so few at a time go fastest. */
const tasksAtOnce = 250
const hourMs = 3_600_000
const migrations = join(import.meta.dirname, '..', 'migrations', 'sqlite')

function newJob(id: string, now: number): NewJob {
  const input = { role: 'image', url: 'https://pictures.example/in/5f0c1f2e.png', file: null } as const
  const edit = {
    model: 'gpt-image-2',
    prompt: 'Turn the background into a quiet harbour at dusk and leave the two people as they are.',
    inputs: [input],
    params: { size: '1024x1536' },
    n: 1,
  }
  const request = { edit, warnings: [], metadata: { order: '20931' }, webhookUrl: null, webhookEvents: [], timeoutS: 7_200 }
  const fingerprint = '0'.repeat(64)
  return {
    id,
    owner,
    request,
    fingerprint,
    tasks: 1,
    retryOf: null,
    held: false,
    now,
    expiresAt: now + 2 * hourMs,
    idempotency: null,
  }
}

/** Creates, claims and submits some jobs of one task each, as the steps would. */
function submitSome(commands: Commands, ids: readonly string[], now: number): PreparedTask[] {
  for (const id of ids) commands.createJob(newJob(id, now))
  const claim = { by: 'bench', until: now + hourMs, now, maxInFlight: 10_000_000, unconfirmedCountsMs: 0 }
  const claimed = commands.claimTasks(claim)
  if (claimed.length !== ids.length) throw new Error(`${claimed.length} of ${ids.length} prepared tasks could be claimed`)
  return claimed.map(({ taskId, jobId }) => {
    const providerTaskId = `cb104e35-0000-4000-8000-${String(taskId).padStart(12, '0')}`
    commands.taskSubmitted({ taskId, providerTaskId, traceId: `trace-${taskId}`, now, pollAt: now + hourMs })
    return { taskId, jobId, providerTaskId }
  })
}

/** Ends a task with a picture that is already copied. */
function finish(commands: Commands, { taskId, jobId, providerTaskId }: PreparedTask, now: number): void {
  const url = `https://pictures.example/out/${providerTaskId}.png`
  const image = { url, file: null, revisedPrompt: 'A quiet harbour at dusk, two people in front.' }
  const ids = { taskId: providerTaskId, traceId: `trace-${taskId}` }
  const result = { kind: 'succeeded', created: Math.floor(now / 1_000), images: [image], ...ids } as const
  commands.applyResult({ taskId, result, source: 'callback', now, copyAt: now, receipt: { sizeBytes: 2, body: '{}' } })
  const size = { sizeBytes: 1_843_201, width: 1024, height: 1536 }
  commands.imageCopied({
    jobId,
    position: 0,
    file: { name: 'out-5f0c1f2e', sha256: 'ab'.repeat(32), contentType: 'image/png', ...size },
  })
}

/**
 * Fills a new database by the store's own commands, before the service opens it: tasks that wait for their callback, and jobs
 * that are done. Nothing of it is measured, so it does without syncs.
 */
export function prepare(path: string, counts: { waiting: number; done: number }) {
  const database = new Database(path)
  try {
    database.pragma('journal_mode = WAL')
    database.pragma('synchronous = OFF')
    database.pragma('cache_size = -262144')
    database.pragma('foreign_keys = ON')
    migrate(database, readMigrations(migrations))
    const commands = makeCommands(database, () => {})
    const newId = idMaker({ now: () => Date.now(), after: () => () => {} })
    const total = counts.waiting + counts.done
    const tasks: PreparedTask[] = []
    const add = database.transaction(() => {
      const ids = Array.from({ length: Math.min(tasksAtOnce, total - tasks.length) }, () => newId('job'))
      tasks.push(...submitSome(commands, ids, Date.now()))
    })
    while (tasks.length < total) add()
    const done = tasks.splice(counts.waiting)
    database.transaction(() => {
      for (const task of done) finish(commands, task, Date.now())
    })()
    database.pragma('wal_checkpoint(TRUNCATE)')
    return { waiting: tasks, done }
  } finally {
    database.close()
  }
}

/**
 * Looks at the rows that a callback leaves for some of the tasks, and at the number of all. Gives how many it looked at.
 * @throws Error where something is not as it must be.
 */
export function checkRows(path: string, tasks: readonly PreparedTask[], applied: number): number {
  const database = new Database(path, { readonly: true })
  try {
    const select = database.prepare<{ taskId: number }, { status: string; job: string; images: number; callbacks: number }>(`
      select tasks.status, jobs.status as job,
        (select count(*) from images where task_id = tasks.id) as images,
        (select count(*) from callbacks where task_id = tasks.id and outcome = 'applied') as callbacks
      from tasks join jobs on jobs.id = job_id where tasks.id = @taskId`)
    for (const { taskId } of tasks) {
      const found = JSON.stringify(select.get({ taskId }))
      const wanted = JSON.stringify({ status: 'succeeded', job: 'succeeded', images: 1, callbacks: 1 })
      if (found !== wanted) throw new Error(`task ${taskId}, whose callback was answered with 200, is ${found} in the database`)
    }
    const all = database.prepare("select count(*) from callbacks where outcome = 'applied' and size_bytes > 2").pluck().get()
    if (all !== applied) throw new Error(`${applied} callbacks were answered with 200, the database has ${String(all)}`)
    return tasks.length
  } finally {
    database.close()
  }
}
