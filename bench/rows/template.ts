import type Database from 'better-sqlite3'
import { idMaker } from '../../src/domain/ids.ts'
import type { Commands } from '../../src/store/commands.ts'
import { commandsOn } from './database.ts'
import { claim, type JobWishes, newJob, type PreparedTask, receiptOf, resultOf, submitJobs } from './jobs.ts'

/** A picture was made of it this long after it was submitted. */
const pictureMs = 75_000
const models = ['gpt-image-2', 'gpt-image-2', 'gpt-image-2', 'nano-banana', 'gpt-image-1']
const error = { code: 'forbidden', message: 'the request was refused by moderation', traceId: null }

const file = {
  name: 'out-5f0c1f2e',
  sha256: 'ab'.repeat(32),
  contentType: 'image/png',
  sizeBytes: 1_843_201,
  width: 1024,
  height: 1536,
}

/** Ends a task with a picture that was copied. */
function succeed(commands: Commands, task: PreparedTask, now: number): void {
  const receipt = receiptOf(task, now)
  commands.applyResult({ taskId: task.taskId, result: resultOf(task, now), source: 'callback', now, copyAt: now, receipt })
  commands.imageCopied({ jobId: task.jobId, position: 0, file })
}

function fail(commands: Commands, task: PreparedTask, now: number): void {
  const body = JSON.stringify({ success: false, task_id: task.providerTaskId, error })
  const result = { kind: 'failed', error, taskId: task.providerTaskId, traceId: null } as const
  commands.applyResult({
    taskId: task.taskId,
    result,
    source: 'callback',
    now,
    copyAt: now,
    receipt: { sizeBytes: body.length, body },
  })
}

/** What it may have become at the provider was looked for, until it was given up. */
function cancel(commands: Commands, { taskId, jobId }: PreparedTask, now: number): void {
  commands.cancelJob({ jobId, now })
  commands.taskPolled({ taskId, pollAt: null })
}

/** Sends what the end of a job put into the outbox. */
function deliver(commands: Commands, now: number): void {
  for (const { id } of commands.claimDeliveries({ by: 'bench', now, until: now + 60_000, limit: 100, busyHosts: [] }))
    commands.deliveryAttempted({
      id,
      attempt: { at: now, status: 204, durationMs: 31, answer: '' },
      status: 'delivered',
      dueAt: null,
    })
}

/** Of a hundred jobs, 93 succeed, 4 fail, 2 are canceled and 1 is refused; every tenth is another key's, every fourth has a webhook. */
function addJob(commands: Commands, id: string, index: number, now: number): void {
  const wishes: JobWishes = { model: models[index % models.length] ?? '', webhook: index % 4 === 1 }
  const job = newJob(id, now, index % 10 === 7 ? { ...wishes, owner: 'other' } : wishes)
  const kind = index % 100
  if (kind === 99) {
    commands.createJob(job)
    for (const { taskId } of claim(commands, now)) commands.taskRefused({ taskId, error, now: now + 400 })
  } else {
    const [task] = submitJobs(commands, [job], now)
    const endedAt = now + pictureMs
    if (task === undefined) throw new Error('the task of a job that was just prepared is not there')
    if (kind < 93) succeed(commands, task, endedAt)
    else if (kind < 97) fail(commands, task, endedAt)
    else cancel(commands, task, endedAt)
  }
  deliver(commands, now + pictureMs)
}

/** Adds jobs that have ended, by the store's own commands, their creation spread evenly over some time. */
export function addEndedJobs(database: Database.Database, count: number, from: number, spanMs: number): void {
  const commands = commandsOn(database)
  let now = from
  const newId = idMaker({ now: () => now, after: () => () => {} })
  database.transaction(() => {
    for (let index = 0; index < count; index += 1) {
      now = from + Math.floor((index * spanMs) / count)
      addJob(commands, newId('job'), index, now)
    }
  })()
}

/** What hardly any job has: the lists that ask for it have far to look. */
export const rare = { model: 'dall-e-2', status: 'expired', jobs: 5 } as const

/** Adds the few jobs that are rare. */
export function addRareJobs(database: Database.Database, at: number): void {
  const commands = commandsOn(database)
  const newId = idMaker({ now: () => at, after: () => () => {} })
  const jobs = Array.from({ length: rare.jobs }, () => newJob(newId('job'), at, { model: rare.model, timeoutS: 1 }))
  database.transaction(() => {
    for (const { taskId } of submitJobs(commands, jobs, at)) commands.taskPolled({ taskId, pollAt: null })
    commands.expireDue({ now: at + 2_000, limit: rare.jobs })
  })()
}
