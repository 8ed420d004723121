import Database from 'better-sqlite3'

export type Lock = { release(): void }

/**
 * Takes a data folder for this process alone. The lock is the operating system's, on a file of its own: however the process
 * ends, it is free again.
 * @throws Error where another process has it.
 */
export function lockFolder(path: string): Lock {
  const database = new Database(path, { timeout: 0 })
  try {
    database.exec('begin exclusive')
  } catch (error) {
    database.close()
    const isBusy = error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY')
    if (!isBusy) throw error
    throw new Error('another darkroom is running on this DATA_DIR: stop it, or name another folder', { cause: error })
  }
  return { release: () => void database.close() }
}
