import { statSync } from 'node:fs'
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
    // Nothing is ever written: a journal on the disk would only need room there.
    database.pragma('journal_mode = MEMORY')
    database.exec('begin exclusive')
  } catch (error) {
    database.close()
    if (!isBusy(error)) throw error
    throw new Error('another darkroom is running on this DATA_DIR: stop it, or name another folder', { cause: error })
  }
  return { release: () => void database.close() }
}

/** Whether a process has the data folder. @throws Error where that can't be found out. */
export function isFolderLocked(path: string): boolean {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return false
  try {
    const database = new Database(path, { readonly: true, fileMustExist: true, timeout: 0 })
    try {
      // Reading asks for a lock as well, and gives it back at once.
      database.prepare('select count(*) from sqlite_schema').get()
      return false
    } finally {
      database.close()
    }
  } catch (error) {
    if (isBusy(error)) return true
    throw error
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY')
}
