import { randomBytes } from 'node:crypto'
import { open, rename, rm, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf, isDiskFull, ServiceError } from '../domain/errors.ts'
import { syncFolder } from './folder.ts'

/** What a start needs of a disk at most, before it takes anything: the database's own two files, and some commits. */
const reserveBytes = 2 ** 20

/**
 * A file that holds room for a start on a disk that is full. The database gives up the room of its own two files when it is closed,
 * and needs it again when it is opened.
 */
export type Reserve = {
  /** Runs the work; where there is no room for it, gives up the reserve, and runs it again. */
  within: <T>(work: () => Promise<T>) => Promise<T>
  /**
   * Makes the reserve, as large as it is to be, or else as large as there is room beside what is `left` to others. Never rejects:
   * without it all works but a start on a full disk.
   */
  keep: (leftBytes: number) => Promise<void>
}

/** What SQLite says where there is no room for the index of its log, which it makes anew at each start. */
function isOutOfRoom(error: unknown): boolean {
  if (error instanceof ServiceError) return error.code === 'storage_full'
  return isDiskFull(error) || codeOf(error) === 'SQLITE_IOERR_SHMSIZE'
}

export function makeReserve(path: string): Reserve {
  const part = `${path}.part`

  /** 0: it is not there. */
  async function sizeBytes(): Promise<number> {
    return stat(path).then(
      found => found.size,
      () => 0,
    )
  }

  async function make(bytes: number): Promise<void> {
    const file = await open(part, 'w', 0o600)
    try {
      // By chance: a file system that compresses would keep no room for zeros.
      await file.writeFile(randomBytes(bytes))
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(part, path)
    await syncFolder(dirname(path))
  }

  return {
    async within(work) {
      try {
        return await work()
      } catch (error) {
        if (!isOutOfRoom(error) || (await sizeBytes()) === 0) throw error
        await rm(path)
        return work()
      }
    },
    async keep(leftBytes) {
      try {
        const { bavail, bsize } = await statfs(dirname(path))
        const bytes = Math.min(reserveBytes, bavail * bsize - leftBytes)
        if (bytes > (await sizeBytes())) await make(bytes)
      } catch {
        // A disk that fills up just now, say.
        await rm(part, { force: true }).catch(() => {})
      }
    },
  }
}
