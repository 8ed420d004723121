import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { type Commands, makeCommands } from '../../src/store/commands.ts'
import { type Migration, migrate, readMigrations } from '../../src/store/migrate.ts'

export const migrations: readonly Migration[] = readMigrations(join(import.meta.dirname, '..', '..', 'migrations', 'sqlite'))

/**
 * Runs some work on a database file that no service has open, with the store's own schema. Nothing of it is measured, so it does
 * without syncs, and with its journal in memory: where the process dies, the file is worth nothing.
 */
export async function withDatabase<T>(path: string, work: (database: Database.Database) => T | Promise<T>): Promise<T> {
  const database = new Database(path)
  try {
    database.pragma('journal_mode = MEMORY')
    database.pragma('synchronous = OFF')
    database.pragma('cache_size = -524288')
    migrate(database, migrations)
    return await work(database)
  } finally {
    database.close()
  }
}

/** The store's own commands, on such a database. Its totals are not kept: nobody reads them. */
export const commandsOn = (database: Database.Database): Commands => makeCommands(database, () => {}, { jobMoved: () => {} })

/** Where the service keeps its database in a data folder, which is made. */
export async function databaseIn(dataDir: string): Promise<string> {
  await mkdir(dataDir, { recursive: true })
  return join(dataDir, 'darkroom.db')
}
