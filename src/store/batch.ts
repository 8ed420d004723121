import type Database from 'better-sqlite3'
import { type CommandName, makeCommands } from './commands.ts'
import { keepTotals } from './tally.ts'

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

/**
 * Runs batches of commands, each batch in one transaction with one fsync. One bad command fails alone; where the transaction as
 * a whole fails, all of the batch fails.
 */
export function batchRunner(database: Database.Database) {
  let changed: string[] = []
  const tally = keepTotals(database)
  const commands = makeCommands(database, jobId => changed.push(jobId), tally)
  const [begin, commit, rollback, savepoint, release, undo] = [
    'begin immediate',
    'commit',
    'rollback',
    'savepoint one',
    'release one',
    'rollback to one',
  ].map(sql => database.prepare(sql)) as [Sql, Sql, Sql, Sql, Sql, Sql] // six in, six out

  function runOne({ id, name, args }: WriteRequest): WriteReply {
    // The names and their arguments were matched by the compiler where the command was called (writer.ts).
    return { id, value: (commands[name] as (args: unknown) => unknown)(args) }
  }

  /**
   * Commands hardly ever throw, and a savepoint costs more than a write: so they run without. Where one throws, all that was
   * done is undone, and null tells that each has to run in a savepoint of its own.
   */
  function runTogether(requests: WriteRequest[]): WriteReply[] | null {
    try {
      return requests.map(runOne)
    } catch (error) {
      if (isFatal(failureOf(error))) throw error
      // A full disk may have rolled back already.
      if (database.inTransaction) rollback.run()
      begin.run()
      changed = []
      tally.forget(0)
      return null
    }
  }

  function runAlone(request: WriteRequest): WriteReply {
    savepoint.run()
    const changedBefore = changed.length
    const notedBefore = tally.noted()
    try {
      const reply = runOne(request)
      release.run()
      return reply
    } catch (error) {
      // A full disk may have rolled back everything, finished commands of this batch included: then none of it holds.
      if (!database.inTransaction) throw error
      undo.run()
      release.run()
      changed.length = changedBefore
      tally.forget(notedBefore)
      const failure = failureOf(error)
      if (isFatal(failure)) throw error
      return { id: request.id, failure }
    }
  }

  return (requests: WriteRequest[]): BatchReply => {
    changed = []
    tally.forget(0)
    const startedAt = performance.now()
    try {
      begin.run()
      const replies = runTogether(requests) ?? requests.map(runAlone)
      tally.write()
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
