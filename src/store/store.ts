import type { JobStore } from '../domain/store.ts'
import { type CommandArgs, type CommandName, type CommandResult, commandNames } from './commands.ts'
import { figureReads } from './figures.ts'
import { migrate, readMigrations } from './migrate.ts'
import { openDatabase } from './open.ts'
import { leaveOutLostIds } from './snapshot.ts'
import { makeReads } from './sqlite.ts'
import { startWriter } from './writer.ts'

export type StoreOptions = {
  /** The database file; made where it is not there. */
  path: string
  /** The folder of `0001_….sql`. */
  migrations: string
  /** Milliseconds since 1970. */
  now?: () => number
  /** The store can't be relied on any more: the process must end. */
  onFatal: (error: Error) => void
  /** One transaction was committed: how many commands it held, and how long it took. */
  onCommit?: (commands: number, durationMs: number) => void
}

type Writes = { [N in CommandName]: (args: CommandArgs<N>) => Promise<CommandResult<N>> }

/**
 * JobStore on SQLite: reads on this thread, writes committed in groups by a thread of their own.
 * @throws Error where the file is newer than this program, or cannot be opened.
 */
export async function openStore(options: StoreOptions): Promise<JobStore & { migrated: readonly string[] }> {
  const database = openDatabase(options.path, 'writer')
  let migrated: string[]
  try {
    migrated = migrate(database, readMigrations(options.migrations))
    leaveOutLostIds(database, (options.now ?? Date.now)())
  } finally {
    database.close()
  }
  const listeners = new Set<(jobId: string) => void>()
  const writer = await startWriter(options.path, {
    changed: jobIds => {
      for (const jobId of jobIds) for (const listener of listeners) listener(jobId)
    },
    committed: options.onCommit ?? (() => {}),
    fatal: options.onFatal,
  })
  const reader = openDatabase(options.path, 'reader')
  const readFigures = figureReads(reader)
  // Each name is paired with its own types by `Writes`; fromEntries forgets them.
  const writes = Object.fromEntries(
    commandNames.map(name => [name, (args: never) => writer.write(name, args)]),
  ) as unknown as Writes
  return {
    ...makeReads(reader),
    ...writes,
    migrated,
    async figures({ now, unconfirmedCountsMs }) {
      return { ...readFigures(now - unconfirmedCountsMs, now), writesWaiting: writer.waiting() }
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async close() {
      await writer.close()
      reader.close()
    },
  }
}
