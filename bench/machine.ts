import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { open, rm, statfs } from 'node:fs/promises'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import packageOfSqlite from 'better-sqlite3/package.json' with { type: 'json' }
import packageOfFastify from 'fastify/package.json' with { type: 'json' }
import { quantile } from './figures.ts'

const gibibyte = 2 ** 30
const tmpfs = 0x01021994

/** How long the disk under a folder takes to make 4 kB durable, which is what a commit waits for: the median, in ms. */
async function syncMs(folder: string): Promise<number> {
  const path = join(folder, 'sync')
  const file = await open(path, 'w')
  const block = randomBytes(4_096)
  const times: number[] = []
  for (let index = 0; index < 50; index += 1) {
    const startedAt = performance.now()
    await file.write(block)
    await file.datasync()
    times.push(performance.now() - startedAt)
  }
  await file.close()
  await rm(path)
  return quantile(
    times.toSorted((a, b) => a - b),
    0.5,
  )
}

/** The name of the file system under a folder, as the list of mounts has it. */
function fileSystemOf(folder: string): string {
  try {
    const mounts = readFileSync('/proc/mounts', 'utf8').split('\n')
    const under = mounts.map(line => line.split(' ')).filter(([, at = '-']) => at === '/' || `${folder}/`.startsWith(`${at}/`))
    return under.toSorted((a, b) => (a[1]?.length ?? 0) - (b[1]?.length ?? 0)).at(-1)?.[2] ?? 'unknown'
  } catch {
    return 'unknown'
  }
}

/** What the figures were taken on, a line each. */
export async function machineLines(folder: string): Promise<string[]> {
  const inMemory = (await statfs(folder)).type === tmpfs
  const cores = availableParallelism()
  return [
    `${cpus()[0]?.model ?? 'unknown processor'}, ${cores} cores, ${(totalmem() / gibibyte).toFixed(0)} GiB, ${process.platform} ${release()}`,
    `Node ${process.version}, Fastify ${packageOfFastify.version}, better-sqlite3 ${packageOfSqlite.version}`,
    `files on ${fileSystemOf(folder)}: a sync of 4 kB takes ${(await syncMs(folder)).toFixed(2)} ms${
      inMemory ? '; this is MEMORY, nothing here is durable: set TMPDIR' : ''
    }`,
  ]
}

type Ticks = { idle: number; all: number }

function ticks(): Ticks | null {
  try {
    const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n')
    const values = line.split(/\s+/).slice(1, 9).map(Number)
    return { idle: (values[3] ?? 0) + (values[4] ?? 0), all: values.reduce((sum, value) => sum + value, 0) }
  } catch {
    return null
  }
}

/** The part of the processors' time (0 to 1) that somebody used during a while; null where the system does not tell. */
export async function busyPart(lookMs: number): Promise<number | null> {
  const before = ticks()
  await sleep(lookMs)
  const after = ticks()
  if (before === null || after === null || after.all === before.all) return null
  return 1 - (after.idle - before.idle) / (after.all - before.all)
}

/** More than this, and others take what is to be measured. */
const mostBusy = 0.1

/** A sentence where others use the machine now; null where it is quiet. */
export async function busyNote(lookMs: number): Promise<string | null> {
  const part = await busyPart(lookMs)
  if (part === null) return 'it is not known whether this machine was quiet'
  if (part <= mostBusy) return null
  return `**busy: figures are unreliable** (before it began, others used ${(part * 100).toFixed(0)} % of the processors)`
}
