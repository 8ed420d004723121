import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type Database from 'better-sqlite3'
import { type CommandName, makeCommands } from './commands.ts'
import { openDatabase } from './open.ts'

/*
 * The writer thread: takes named commands, commits all that are waiting in one transaction with one fsync, and answers after
 * the commit. It runs in a worker because a commit blocks its thread for as long as the disk takes.
 */

export type WriteRequest = { id: number; name: CommandName; args: unknown }
export type WriteFailure = { message: string; code: string | null }
export type WriteReply = { id: number; value: unknown } | { id: number; failure: WriteFailure }
export type BatchReply = {
  replies: WriteReply[]
  /** The jobs that the batch changed. */
  changed: string[]
  /** The database can't be relied on any more: the process must end. */
  fatal: WriteFailure | null
  commitMs: number
}

function failureOf(error: unknown): WriteFailure {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null
  return { message: error instanceof Error ? error.message : String(error), code }
}

/**
 * After a failed sync nobody knows what is on the disk, and what a damaged file answers is worth nothing. A full disk and a
 * lock that is held too long are neither: they pass.
 */
function isFatal(failure: WriteFailure): boolean {
  return /^SQLITE_(IOERR|CORRUPT|NOTADB|PROTOCOL)/.test(failure.code ?? '')
}

function batchRunner(database: Database.Database) {
  let changed: string[] = []
  const commands = makeCommands(database, jobId => changed.push(jobId))
  const [begin, commit, rollback, savepoint, release, undo] = [
    'begin immediate',
    'commit',
    'rollback',
    'savepoint one',
    'release one',
    'rollback to one',
  ].map(sql => database.prepare(sql)) as [Sql, Sql, Sql, Sql, Sql, Sql] // six in, six out

  function runOne({ id, name, args }: WriteRequest): WriteReply {
    savepoint.run()
    const changedBefore = changed.length
    try {
      // The names and their arguments were matched by the compiler where the command was called (writer.ts).
      const value: unknown = (commands[name] as (args: unknown) => unknown)(args)
      release.run()
      return { id, value }
    } catch (error) {
      // A full disk may have rolled back everything, finished commands of this batch included: then none of it holds.
      if (!database.inTransaction) throw error
      undo.run()
      release.run()
      changed.length = changedBefore
      const failure = failureOf(error)
      if (isFatal(failure)) throw error
      return { id, failure }
    }
  }

  return (requests: WriteRequest[]): BatchReply => {
    changed = []
    const startedAt = performance.now()
    try {
      begin.run()
      const replies = requests.map(runOne)
      commit.run()
      return { replies, changed: [...new Set(changed)], fatal: null, commitMs: performance.now() - startedAt }
    } catch (error) {
      const failure = failureOf(error)
      try {
        if (database.inTransaction) rollback.run()
      } catch {
        // Rolling back failed as well: the error that led here tells more.
      }
      const replies = requests.map(({ id }): WriteReply => ({ id, failure }))
      return { replies, changed: [], fatal: isFatal(failure) ? failure : null, commitMs: performance.now() - startedAt }
    }
  }
}

type Sql = Database.Statement

function main(path: string, port: NonNullable<typeof parentPort>): void {
  const database = openDatabase(path, 'writer')
  const run = batchRunner(database)
  port.on('message', (first: WriteRequest[] | 'close') => {
    const batch: WriteRequest[] = []
    let closing = false
    const take = (message: WriteRequest[] | 'close'): void => {
      if (message === 'close') closing = true
      else batch.push(...message)
    }
    take(first)
    // Whatever came while the last commit was on its way to the disk joins this one.
    for (let more = receiveMessageOnPort(port); more !== undefined; more = receiveMessageOnPort(port))
      take(more.message as WriteRequest[] | 'close') // only writer.ts has the other end
    if (batch.length > 0) port.postMessage(run(batch))
    if (closing) {
      database.close()
      port.close()
    }
  })
  port.postMessage('ready')
}

if (parentPort !== null) main((workerData as { path: string }).path, parentPort) // set by writer.ts
