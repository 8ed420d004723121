import { copyFile, link, open, opendir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { codeOf, isDiskFull } from '../domain/errors.ts'
import type { Blobs } from '../domain/ports.ts'
import { checkName, Folders, isPartName, partName, prepareRoot, randomSuffix } from './folder.ts'
import { makeOwnWork } from './own-work.ts'
import { DiskSink } from './sink.ts'
import { makeTurns } from './turns.ts'

/** Pictures on a disk of this machine, one folder for each job. Job ids and names that are not names throw TypeError. */
export interface Disk extends Blobs {
  /** The folders that there are, in no order. Those made or removed meanwhile may be among them or not. */
  jobIds(): AsyncIterable<string>
  /** The names of what lies in a job's folder, half-written files included: `remove` takes them too. Empty where there is no folder. */
  files(jobId: string): Promise<string[]>
  /**
   * Makes a finished file of one job appear in another's folder under the same name, durably, without a copy where the file
   * system allows. Doing it again is no error. Throws ENOENT where there is no such file.
   */
  link(fromJobId: string, name: string, toJobId: string): Promise<void>
}

/** About half a millisecond's work: what is hashed and copied of pictures before everything else has its turn. */
const bytesPerTurn = 128 * 1024

/**
 * Opens the folder that holds the jobs' folders; makes it where it is missing. Nothing is to be closed.
 * @param uptimeMs of a clock that nobody sets.
 */
export async function openDisk(rootDir: string, uptimeMs = (): number => performance.now()): Promise<Disk> {
  const root = resolve(rootDir)
  await prepareRoot(root)
  const ownWork = makeOwnWork(uptimeMs)
  const folders = new Folders(root, ownWork)
  const opened = { fileTimeMs: await fileTimeNow(root), uptimeMs: uptimeMs() }
  const turns = makeTurns(bytesPerTurn)
  const pathOf = (jobId: string, name: string): string => join(folders.pathOf(jobId), checkName(name))
  return {
    create: (jobId, label) => new DiskSink(folders, turns, jobId, label),
    remove: async (jobId, name) => {
      await rm(join(folders.pathOf(jobId), isPartName(name) ? name : checkName(name)), { force: true })
      await folders.dropIfEmpty(jobId)
    },
    removeJob: jobId => folders.remove(jobId),
    pathOf,
    derive: async (jobId, name, suffix, make) => {
      const from = pathOf(jobId, name)
      const to = pathOf(jobId, `${name}.${suffix}`)
      if (await isThere(to)) return to
      const part = join(folders.pathOf(jobId), partName(`${name}-${randomSuffix()}`))
      ownWork.note(jobId)
      try {
        await make(from, part)
        await rename(part, to)
      } catch (error) {
        await rm(part, { force: true })
        throw error
      }
      return to
    },
    jobIds: () => listJobIds(root),
    files: async jobId => listFiles(folders.pathOf(jobId)),
    leftAloneForMs: async jobId => {
      const touchedMs = await newestTouch(folders.pathOf(jobId))
      const sinceOpenedMs = uptimeMs() - opened.uptimeMs
      return Math.min(ownWork.idleForMs(jobId), opened.fileTimeMs - touchedMs + sinceOpenedMs)
    },
    link: async (fromJobId, name, toJobId) => {
      const from = pathOf(fromJobId, name)
      const to = pathOf(toJobId, name)
      // Else a missing source would look like a missing folder.
      await stat(from)
      const part = join(folders.pathOf(toJobId), partName(`${name}-${randomSuffix()}`))
      try {
        await folders.within(toJobId, () => linkOrCopy(from, to, part))
        await folders.makeDurable(toJobId)
      } catch (error) {
        await folders.dropIfEmpty(toJobId)
        throw error
      }
    },
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

async function* listJobIds(root: string): AsyncGenerator<string> {
  for await (const entry of await opendir(root)) {
    if (entry.isDirectory() && isName(entry.name)) yield entry.name
  }
}

function isName(name: string): boolean {
  try {
    return checkName(name) === name
  } catch {
    return false
  }
}

async function listFiles(folder: string): Promise<string[]> {
  return (await namesIn(folder)).filter(name => isName(name) || isPartName(name))
}

/**
 * What the file system's own clock says. Where there is no room to ask it, the newest that it said of this folder: whatever is
 * in there then seems younger than it is, and is kept for longer.
 */
async function fileTimeNow(root: string): Promise<number> {
  const path = join(root, partName(`now-${randomSuffix()}`))
  try {
    await (await open(path, 'wx', 0o600)).close()
    return await touchOf(path)
  } catch (error) {
    if (!isDiskFull(error)) throw error
    return await touchOf(root)
  } finally {
    await rm(path, { force: true })
  }
}

/** -Infinity where there is no folder. */
async function newestTouch(folder: string): Promise<number> {
  const paths = [folder, ...(await namesIn(folder)).map(name => join(folder, name))]
  const times = await Promise.all(paths.map(touchOf))
  return Math.max(...times)
}

/** A link to an older file was made when its inode last changed. -Infinity where there is nothing (any more). */
async function touchOf(path: string): Promise<number> {
  try {
    const { mtimeMs, ctimeMs } = await stat(path)
    return Math.trunc(Math.max(mtimeMs, ctimeMs))
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return Number.NEGATIVE_INFINITY
    throw error
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}

async function linkOrCopy(from: string, to: string, part: string): Promise<void> {
  try {
    await link(from, to)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EEXIST' && (await areAlike(from, to))) return
    if (code !== 'EXDEV' && code !== 'EPERM' && code !== 'EMLINK') throw error
    await copyDurably(from, to, part)
  }
}

/** Their names are the same, 32 random bits included: with the same length, the one was made from the other by an earlier call. */
async function areAlike(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([stat(one), stat(other)])
  return a.size === b.size
}

async function copyDurably(from: string, to: string, part: string): Promise<void> {
  try {
    await copyFile(from, part)
    const handle = await open(part, 'r')
    try {
      await handle.datasync()
    } finally {
      await handle.close()
    }
    await rename(part, to)
  } catch (error) {
    await rm(part, { force: true }).catch(() => {})
    throw error
  }
}
