import { constants } from 'node:fs'
import { access, chmod, copyFile, mkdir, open, rename } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type Database from 'better-sqlite3'
import { readConfig } from './config.ts'
import { openDatabase } from './store/open.ts'
import { hold, type NamedFile, namedFiles, snapshot } from './store/snapshot.ts'

export type BackupReport = { files: number; bytes: number /** Deleted by a client while the backup was made. */; gone: number }

const holdMs = 600_000
const prolongEveryMs = 60_000

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

async function sync(path: string): Promise<number> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
    return (await handle.stat()).size
  } finally {
    await handle.close()
  }
}

/** Copies a file so that it is on the disk when this resolves; null where it is not there (any more). */
async function copyDurably(from: string, to: string): Promise<number | null> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
  return sync(to)
}

async function copyFiles(files: Iterable<NamedFile>, from: string, to: string): Promise<BackupReport> {
  const report: BackupReport = { files: 0, bytes: 0, gone: 0 }
  let folder: string | null = null
  for (const { jobId, file } of files) {
    if (folder !== null && jobId !== folder) await sync(join(to, folder))
    folder = jobId
    await mkdir(join(to, folder), { recursive: true, mode: 0o700 })
    const sizeBytes = await copyDurably(join(from, jobId, file), join(to, jobId, file))
    if (sizeBytes === null) report.gone += 1
    else {
      report.files += 1
      report.bytes += sizeBytes
    }
  }
  if (folder !== null) await sync(join(to, folder))
  await sync(to)
  return report
}

/**
 * Copies a data folder, of a running service too, into a folder that holds no backup yet: the database first, then the files
 * that it names. Every result that was acknowledged before is in it. While it runs, nothing old is removed.
 * @throws Error where there is no database, or one in the target already.
 */
export async function backUp(dataDir: string, target: string, now: () => number = Date.now): Promise<BackupReport> {
  const path = join(dataDir, 'darkroom.db')
  if (!(await exists(path))) throw new Error(`there is no darkroom.db in ${dataDir}: is DATA_DIR right?`)
  await mkdir(join(target, 'jobs'), { recursive: true, mode: 0o700 })
  if (await exists(join(target, 'darkroom.db'))) throw new Error(`${target} holds a backup already: name another folder`)
  const database = openDatabase(path, 'writer')
  hold(database, now() + holdMs)
  const prolonging = setInterval(() => hold(database, now() + holdMs), prolongEveryMs)
  try {
    return await copyAll(database, dataDir, target, now())
  } finally {
    clearInterval(prolonging)
    hold(database, 0)
    database.close()
  }
}

async function copyAll(database: Database.Database, dataDir: string, target: string, now: number): Promise<BackupReport> {
  // Under its own name only when everything is there: a backup that broke off is none.
  const unfinished = join(target, `unfinished-${now}.db`)
  snapshot(database, unfinished, now)
  const copy = openDatabase(unfinished, 'writer')
  let report: BackupReport
  try {
    copy.pragma('journal_mode = DELETE')
    report = await copyFiles(namedFiles(copy), join(dataDir, 'jobs'), join(target, 'jobs'))
  } finally {
    copy.close()
  }
  if ((await copyDurably(join(dataDir, 'secret'), join(target, 'secret'))) !== null) await chmod(join(target, 'secret'), 0o600)
  await sync(unfinished)
  await rename(unfinished, join(target, 'darkroom.db'))
  await sync(target)
  return report
}

async function main(): Promise<void> {
  const [target] = process.argv.slice(2)
  if (target === undefined) {
    console.error('usage: npm run backup -- FOLDER')
    process.exit(1)
  }
  // As the data folder is: nothing of it is anybody else's to read, not even while it is being written.
  process.umask(0o077)
  try {
    const { files, bytes, gone } = await backUp(readConfig(process.env).dataDir, resolve(target))
    const deleted = gone === 0 ? '' : `, ${gone} deleted meanwhile`
    console.log(`backup: database, ${files} files (${bytes} bytes)${deleted}, in ${resolve(target)}`)
  } catch (error) {
    console.error(`backup: ${error instanceof Error ? error.message : String(error)}`)
    process.exit(1)
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main()
