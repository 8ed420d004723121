import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { migrations, withDatabase } from './database.ts'
import { multiply } from './multiply.ts'
import { addEndedJobs, addRareJobs } from './template.ts'

const dayMs = 86_400_000
/** The jobs are of the last days before they were made; kept 30 days by default, none is too old before the stock is. */
const spanMs = 15 * dayMs
const staleAfterMs = 10 * dayMs
const templateJobs = 5_000
/** Of the copies, this part (0 to 1) is older than the rare jobs. */
const rareAfter = 0.2

/** Stays between runs: making a million takes a minute or two. */
const cacheFolder = join(tmpdir(), `darkroom-bench-stock-${userInfo().uid}`)

const makers = ['database.ts', 'jobs.ts', 'multiply.ts', 'stock.ts', 'template.ts']

/** Changes with the schema, and with the code that makes the rows. */
async function stockKey(): Promise<string> {
  const hash = createHash('sha256')
  for (const { sql } of migrations) hash.update(sql)
  for (const name of makers) hash.update(await readFile(join(import.meta.dirname, name)))
  return hash.digest('hex').slice(0, 16)
}

async function isFresh(path: string): Promise<boolean> {
  try {
    return (await stat(path)).mtimeMs > Date.now() - staleAfterMs
  } catch {
    return false
  }
}

async function build(path: string, jobs: number): Promise<void> {
  const templatePath = `${path}.template`
  const count = Math.min(templateJobs, Math.ceil(jobs / 10))
  const copies = Math.ceil(jobs / count)
  const everyMs = spanMs / copies
  const from = Date.now() - spanMs
  for (const old of [path, templatePath]) await rm(old, { force: true })
  try {
    await withDatabase(templatePath, database => addEndedJobs(database, count, from, everyMs))
    await withDatabase(path, database => {
      const before = (copy: number, shiftMs: number): void => {
        if (copy === Math.floor(copies * rareAfter)) addRareJobs(database, from + Math.floor(shiftMs))
      }
      return multiply(database, templatePath, { copies, everyMs: Math.floor(everyMs), before })
    })
  } finally {
    await rm(templatePath, { force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Removes what an older schema, or a run that was killed, has left. */
async function tidy(key: string): Promise<void> {
  for (const name of await readdir(cacheFolder)) {
    const maker = /\.db\.(\d+)/.exec(name)?.[1]
    const isWanted = maker === undefined ? name.startsWith(key) : isAlive(Number(maker))
    if (!isWanted) await rm(join(cacheFolder, name), { force: true })
  }
}

/**
 * Puts a database with so many jobs that have ended (rounded up, and a few rare ones) at a path. It is made once, and copied.
 * @param say is told where it takes a while.
 */
export async function copyStock(jobs: number, path: string, say: (text: string) => void): Promise<void> {
  await mkdir(cacheFolder, { recursive: true, mode: 0o700 })
  const key = await stockKey()
  await tidy(key)
  const kept = join(cacheFolder, `${key}-${jobs}.db`)
  if (!(await isFresh(kept))) {
    const startedAt = performance.now()
    const part = `${kept}.${process.pid}`
    await build(part, jobs)
    await rename(part, kept)
    say(
      `made ${jobs.toLocaleString('en')} jobs in ${((performance.now() - startedAt) / 1_000).toFixed(0)} s, kept in ${cacheFolder}`,
    )
  }
  await copyFile(kept, path, constants.COPYFILE_FICLONE)
}
