import Database from 'better-sqlite3'

/** How long a connection waits for a lock. On the main thread the wait blocks everything, so it is short there. */
const busyTimeoutMs = { writer: 5_000, reader: 250 } as const

/**
 * Opens the database with the durability that the service promises.
 *
 * `synchronous` is set at every open: the connection that creates the WAL reads FULL, but better-sqlite3 is built so that
 * one which finds a WAL falls back to NORMAL, where a commit may be lost with the machine's power.
 */
export function openDatabase(path: string, role: keyof typeof busyTimeoutMs): Database.Database {
  const database = new Database(path, { timeout: busyTimeoutMs[role] })
  try {
    setUp(database, role)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function setUp(database: Database.Database, role: keyof typeof busyTimeoutMs): void {
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  database.pragma('foreign_keys = ON')
  database.pragma('temp_store = MEMORY')
  database.pragma('journal_size_limit = 67108864')
  if (role === 'writer') {
    // 16 MB: pages that are written again and again reach the database file once in a while, not with every few commits.
    database.pragma('wal_autocheckpoint = 4000')
    database.pragma('cache_size = -32768')
  }
  if (role === 'reader') database.pragma('query_only = ON')
}
