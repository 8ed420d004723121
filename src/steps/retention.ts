import type { Blobs, Clock, Log } from '../domain/ports.ts'
import { idempotencyMs } from '../domain/retry.ts'
import type { JobStore } from '../domain/store.ts'
import { type Loop, type Next, startLoop } from './loop.ts'

export type RetentionDeps = {
  store: JobStore
  blobs: Blobs
  clock: Clock
  log: Log
  /** 0: jobs are kept for ever. */
  retentionDays: number
}

export type RetentionStep = Pick<Loop, 'wake' | 'pass' | 'close'>

const dayMs = 86_400_000
/** A file that no row names is somebody's who is still writing it, until it has been left alone this long. */
const leftAloneMs = dayMs
const lookForOldEveryMs = 600_000
const lookForStrayEveryMs = dayMs
/** Small steps with a pause between them, so that no request waits behind one. */
const jobsAtOnce = 20
const foldersAtOnce = 50
const pauseMs = 50

/**
 * Removes what is older than it is to be kept, and files that no row names. First the row, then the folder: a process that
 * dies between them leaves a folder without a row, which is found later. While a hold is on, a backup's say, nothing goes.
 */
export function startRetention(deps: RetentionDeps): RetentionStep {
  const { store, blobs, clock, log } = deps
  let oldAt = clock.now()
  let strayAt = oldAt
  let walk: AsyncIterator<string> | null = null

  async function pass(): Promise<Next> {
    const now = clock.now()
    // Where the clock was set back, neither is to be waited for that much longer.
    oldAt = Math.min(oldAt, now + lookForOldEveryMs)
    strayAt = Math.min(strayAt, now + lookForStrayEveryMs)
    const heldUntil = await store.heldUntil(now)
    if (heldUntil !== null) return heldUntil
    if (oldAt <= now && (await removeOld(now))) return now + pauseMs
    if (oldAt <= now) oldAt = now + lookForOldEveryMs
    if (strayAt <= now && (await removeStray())) return now + pauseMs
    if (strayAt <= now) strayAt = now + lookForStrayEveryMs
    return Math.min(oldAt, strayAt)
  }

  /** One step. @returns whether there may be more. */
  async function removeOld(now: number): Promise<boolean> {
    const keys = await store.dropIdempotencyKeys({ createdBefore: now - idempotencyMs, limit: jobsAtOnce })
    if (deps.retentionDays === 0) return keys === jobsAtOnce
    const jobIds = await store.dropJobs({ completedBefore: now - deps.retentionDays * dayMs, limit: jobsAtOnce, now })
    for (const jobId of jobIds) await blobs.removeJob(jobId)
    if (jobIds.length > 0) log.info({ jobs: jobIds.length }, 'jobs.retired')
    return keys === jobsAtOnce || jobIds.length === jobsAtOnce
  }

  /** One step of the walk through all folders. @returns whether there is more. */
  async function removeStray(): Promise<boolean> {
    walk ??= blobs.jobIds()[Symbol.asyncIterator]()
    for (let count = 0; count < foldersAtOnce; count += 1) {
      const { value: jobId, done } = await walk.next()
      if (done === true) {
        walk = null
        return false
      }
      await tidy(jobId)
    }
    return true
  }

  async function tidy(jobId: string): Promise<void> {
    // Listed first: what somebody begins after this is not in the list, and whoever began before shows in the answer below.
    const files = await blobs.files(jobId)
    // The folder counts too: one that was just made has nothing in it yet.
    if ((await blobs.leftAloneForMs(jobId)) < leftAloneMs) return
    const named = await store.filesOf(jobId)
    if (named === null) {
      await blobs.removeJob(jobId)
      log.info({ job: jobId, files: files.length }, 'folder.stray')
      return
    }
    const known = new Set(named)
    // A smaller copy of a picture is named after it.
    for (const name of files) {
      if (known.has(name) || known.has(name.replace(/\.w\d+$/, ''))) continue
      await blobs.remove(jobId, name)
      log.info({ job: jobId, file: name }, 'file.stray')
    }
  }

  return startLoop('retention', pass, { clock, log })
}
