import type { Blobs, Clock, Log, StoredFile } from '../domain/ports.ts'
import type { DueCopy } from '../domain/records.ts'
import { copyRetryAt, isLastCopy } from '../domain/retry.ts'
import type { JobStore } from '../domain/store.ts'
import { FetchFailed } from '../net/failure.ts'
import type { Fetcher } from '../net/fetch.ts'
import { chooseCopies, copiesAtOnce, copiesPerHost } from './copy-choice.ts'
import { fetchResult } from './fetch-result.ts'
import { discardUnnamed } from './leftovers.ts'
import { type Loop, type Next, startLoop } from './loop.ts'
import { persist } from './persist.ts'

export type CopyDeps = {
  store: JobStore
  blobs: Blobs
  fetcher: Fetcher
  clock: Clock
  log: Log
  chance: () => number
  /** What was paid for is taken whatever its size, up to this. */
  maxBytes: number
}

export type CopyStep = Pick<Loop, 'wake' | 'close'>

/** After a fault of our own, such as a full disk: it is never a reason to give up what was paid for. */
const waitForUsMs = 60_000

/** Copies results that came as URLs into their jobs' folders, before the URLs expire. */
export function startCopy(deps: CopyDeps): CopyStep {
  const { store, clock, log } = deps
  const underWay = new Map<string, { copy: DueCopy; end: Promise<void> }>()
  const stopping = new AbortController()
  const keyOf = (copy: DueCopy): string => `${copy.jobId}/${copy.position}`

  async function pass(): Promise<Next> {
    if (underWay.size >= copiesAtOnce) return null // the end of one wakes the next
    const now = clock.now()
    // Those under way are still due: as many more are asked for.
    const due = await store.dueCopies(now, copiesPerHost * 2)
    const running = [...underWay.values()].map(one => one.copy)
    for (const copy of chooseCopies(
      due.filter(one => !underWay.has(keyOf(one))),
      running,
    ))
      start(copy)
    return store.nextCopyAt(now)
  }

  function start(copy: DueCopy): void {
    const end = copyOne(copy)
      .catch((error: unknown) => log.error({ err: error, job: copy.jobId, image: copy.position }, 'image.copy_broke'))
      .finally(() => {
        underWay.delete(keyOf(copy))
        loop.wake()
      })
    underWay.set(keyOf(copy), { copy, end })
  }

  async function copyOne(copy: DueCopy): Promise<void> {
    const { jobId, position } = copy
    const startedAt = clock.now()
    const isLastTry = isLastCopy(copy.attempts + 1, copy.arrivedAt, startedAt)
    let file: StoredFile
    try {
      file = await fetchResult(deps, { jobId, url: copy.providerUrl, isLastTry, signal: stopping.signal })
    } catch (error) {
      // What was called off has not failed: the next start goes on with it.
      if (!stopping.signal.aborted) await failed(copy, error)
      return
    }
    if (!(await keep(() => store.imageCopied({ jobId, position, file })))) await discardUnnamed(deps, jobId, [file])
    const about = { job: jobId, image: position, content_type: file.contentType, bytes: file.sizeBytes }
    log.info({ ...about, ms: clock.now() - startedAt }, 'image.copied')
  }

  async function failed({ jobId, position, attempts: before, arrivedAt }: DueCopy, error: unknown): Promise<void> {
    const told = error instanceof FetchFailed ? error : null
    const attempts = before + (told === null ? 0 : 1)
    const now = clock.now()
    const copyAt = told === null ? now + waitForUsMs : told.final ? null : copyRetryAt(attempts, arrivedAt, now, deps.chance())
    await keep(() => store.imageCopyFailed({ jobId, position, copyAt, reason: told?.reason ?? null }))
    // What is thrown at us from the network is told in one line; anything else is worth its stack.
    const why = told === null ? { err: error } : { reason: told.reason }
    log.warn({ job: jobId, image: position, attempts, given_up: copyAt === null, ...why }, 'image.copy_failed')
  }

  function keep<T>(write: () => Promise<T>): Promise<T> {
    return persist(write, { clock, log, signal: stopping.signal })
  }

  const loop = startLoop('copy', pass, { clock, log })
  return {
    wake: () => loop.wake(),
    async close() {
      stopping.abort()
      await loop.close()
      await Promise.all([...underWay.values()].map(one => one.end))
    },
  }
}
