import type { Blobs, Clock, Log, StoredFile } from '../domain/ports.ts'
import type { DueCopy } from '../domain/records.ts'
import { copyRetryAt } from '../domain/retry.ts'
import type { JobStore } from '../domain/store.ts'
import { FetchFailed } from '../net/failure.ts'
import type { Fetcher } from '../net/fetch.ts'
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

const copiesAtOnce = 4
const copyTimeoutMs = 120_000
/** After a fault of our own, such as a full disk: it is never a reason to give up what was paid for. */
const waitForUsMs = 60_000

/** Copies results that came as URLs into their jobs' folders, before the URLs expire. */
export function startCopy(deps: CopyDeps): CopyStep {
  const { store, blobs, clock, log } = deps
  const underWay = new Map<string, Promise<void>>()
  const stopping = new AbortController()
  const keyOf = (copy: DueCopy): string => `${copy.jobId}/${copy.position}`

  async function pass(): Promise<Next> {
    const room = copiesAtOnce - underWay.size
    if (room <= 0) return null
    const due = await store.dueCopies(clock.now(), copiesAtOnce + underWay.size)
    const next = due.filter(copy => !underWay.has(keyOf(copy))).slice(0, room)
    for (const copy of next) {
      const run = copyOne(copy)
        .catch((error: unknown) => log.error({ err: error, job: copy.jobId, image: copy.position }, 'image.copy_broke'))
        .finally(() => {
          underWay.delete(keyOf(copy))
          loop.wake()
        })
      underWay.set(keyOf(copy), run)
    }
    if (underWay.size > 0) return null // the end of one wakes the next
    return store.nextCopyAt()
  }

  async function copyOne(copy: DueCopy): Promise<void> {
    const startedAt = clock.now()
    const limits = { maxBytes: deps.maxBytes, timeoutMs: copyTimeoutMs, signal: stopping.signal }
    let file: StoredFile
    try {
      file = await deps.fetcher.fetchToFile(copy.providerUrl, () => blobs.create(copy.jobId, 'out'), limits)
    } catch (error) {
      // What was called off has not failed: the next start goes on with it.
      if (!stopping.signal.aborted) await failed(copy, error)
      return
    }
    const { jobId, position } = copy
    const about = { job: jobId, image: position }
    if (!(await keep(() => store.imageCopied({ jobId, position, file })))) await discardUnnamed(deps, jobId, [file])
    log.info({ ...about, bytes: file.sizeBytes, ms: clock.now() - startedAt }, 'image.copied')
  }

  async function failed({ jobId, position, attempts: before }: DueCopy, error: unknown): Promise<void> {
    const attempts = before + 1
    const told = error instanceof FetchFailed ? error : null
    const copyAt = told === null ? clock.now() + waitForUsMs : whenAgain(told, attempts)
    await keep(() => store.imageCopyFailed({ jobId, position, copyAt }))
    // What is thrown at us from the network is told in one line; anything else is worth its stack.
    const why = told === null ? { err: error } : { reason: told.reason }
    log.warn({ job: jobId, image: position, attempts, given_up: copyAt === null, ...why }, 'image.copy_failed')
  }

  function whenAgain(failure: FetchFailed, attempts: number): number | null {
    return failure.retryable ? copyRetryAt(attempts, clock.now(), deps.chance()) : null
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
      await Promise.all(underWay.values())
    },
  }
}
