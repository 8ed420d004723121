import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codeOf } from '../domain/errors.ts'
import type { OwnWork } from './own-work.ts'

/** A folder may vanish between its making and the opening of a file as often as somebody else gives one up: not for ever. */
const maxAttempts = 20

const namePattern = /^[A-Za-z0-9_-][A-Za-z0-9_.-]*$/
const partPattern = /^\.[A-Za-z0-9_.-]+\.part$/

/** Throws TypeError for what may not be a part of a path. */
export function checkName(name: string): string {
  if (!namePattern.test(name)) throw new TypeError(`not a name for a file or a folder: ${JSON.stringify(name)}`)
  return name
}

/** Whether it is a name that `partName` made: a file that was being written, or still is. */
export function isPartName(name: string): boolean {
  return partPattern.test(name)
}

/** What a file is called until it is complete. */
export function partName(name: string): string {
  return `.${name}.part`
}

/** 8 hex digits: names within one job's folder differ by them. */
export function randomSuffix(): string {
  return randomBytes(4).toString('hex')
}

/** After this, the names in a folder survive a loss of power. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes the folder that holds everything, and syncs what an earlier process may have left unsynced in it. */
export async function prepareRoot(root: string): Promise<void> {
  const firstMade = await mkdir(root, { recursive: true, mode: 0o700 })
  if (firstMade !== undefined) {
    for (let path = root; path.length >= firstMade.length; path = dirname(path)) await syncFolder(dirname(path))
  }
  await syncFolder(root)
}

/** The jobs' folders: they come into being with their first file and go with their last. */
export class Folders {
  readonly #root: string
  readonly #ownWork: OwnWork
  readonly #making = new Map<string, Promise<void>>()
  /** Folders made here whose own name in the root is not known to be durable; each making has a mark of its own. */
  readonly #unsynced = new Map<string, symbol>()

  constructor(root: string, ownWork: OwnWork) {
    this.#root = root
    this.#ownWork = ownWork
  }

  /** Throws TypeError for a job id that is no name. */
  pathOf(jobId: string): string {
    return join(this.#root, checkName(jobId))
  }

  /** Opens a new file for reading and writing, with its folder where that is missing. `closed` is to be told of its end. */
  async openNew(jobId: string, name: string): Promise<FileHandle> {
    this.#ownWork.opened(jobId)
    try {
      return await this.within(jobId, () => open(join(this.pathOf(jobId), name), 'wx+', 0o600))
    } catch (error) {
      this.closed(jobId)
      throw error
    }
  }

  /** A file that `openNew` opened is closed. */
  closed(jobId: string): void {
    this.#ownWork.closed(jobId)
  }

  /** Runs `act`, which needs the job's folder; makes the folder and runs it again for as long as that is what is missing. */
  async within<T>(jobId: string, act: () => Promise<T>): Promise<T> {
    this.#ownWork.note(jobId)
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await act()
      } catch (error) {
        if (codeOf(error) !== 'ENOENT' || attempt === maxAttempts) throw error
      }
      await this.#make(jobId)
    }
  }

  /** After this, the names in a job's folder survive a loss of power, and so does the folder itself. */
  async makeDurable(jobId: string): Promise<void> {
    await syncFolder(this.pathOf(jobId))
    // A file can be opened in a folder before its maker has heard that it is made.
    await this.#making.get(jobId)
    const mark = this.#unsynced.get(jobId)
    if (mark === undefined) return
    await syncFolder(this.#root)
    this.#forget(jobId, mark)
  }

  /** Removes a job's folder if nothing is in it. Never rejects. */
  async dropIfEmpty(jobId: string): Promise<void> {
    const mark = this.#unsynced.get(jobId)
    try {
      await rmdir(this.pathOf(jobId))
      this.#forget(jobId, mark)
    } catch {
      // Not empty, or gone already. Whatever else there may be, an empty folder does no harm.
    }
  }

  /** Removes a job's folder and all that is in it. */
  async remove(jobId: string): Promise<void> {
    const mark = this.#unsynced.get(jobId)
    // Tried again where something was written into it meanwhile: a picture that is still being copied, say.
    await rm(this.pathOf(jobId), { recursive: true, force: true, maxRetries: 10, retryDelay: 20 })
    this.#forget(jobId, mark)
  }

  #make(jobId: string): Promise<void> {
    const underWay = this.#making.get(jobId)
    if (underWay !== undefined) return underWay
    const making = this.#makeAlone(jobId).finally(() => this.#making.delete(jobId))
    this.#making.set(jobId, making)
    return making
  }

  async #makeAlone(jobId: string): Promise<void> {
    try {
      await mkdir(this.pathOf(jobId), 0o700)
      this.#unsynced.set(jobId, Symbol(jobId))
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
    }
  }

  /** Only for the making that was looked at: the folder may have been made anew meanwhile. */
  #forget(jobId: string, mark: symbol | undefined): void {
    if (this.#unsynced.get(jobId) === mark) this.#unsynced.delete(jobId)
  }
}
