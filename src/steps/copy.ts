import type { Blobs, Clock, Log } from '../domain/ports.ts'
import type { DueCopy } from '../domain/records.ts'
import { copyRetryAt } from '../domain/retry.ts'
import type { JobStore } from '../domain/store.ts'
import { FetchFailed } from '../net/failure.ts'
import type { Fetcher } from '../net/fetch.ts'
import { type Loop, type Next, startLoop } from './loop.ts'

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
    const { jobId, position } = copy
    const startedAt = clock.now()
    const attempts = copy.attempts + 1
    try {
      const limits = { maxBytes: deps.maxBytes, timeoutMs: copyTimeoutMs, signal: stopping.signal }
      const file = await deps.fetcher.fetchToFile(copy.providerUrl, () => blobs.create(jobId, 'out'), limits)
      if (!(await store.imageCopied({ jobId, position, file }))) await blobs.remove(jobId, file.name)
      log.info({ job: jobId, image: position, bytes: file.sizeBytes, ms: clock.now() - startedAt }, 'image.copied')
    } catch (error) {
      if (stopping.signal.aborted) return
      const final = error instanceof FetchFailed && !error.retryable
      const copyAt = final ? null : copyRetryAt(attempts, clock.now(), deps.chance())
      await store.imageCopyFailed({ jobId, position, copyAt })
      // What is thrown at us from the network is told in one line; anything else is worth its stack.
      const why = error instanceof FetchFailed ? { reason: error.reason } : { err: error }
      log.warn({ job: jobId, image: position, attempts, given_up: copyAt === null, ...why }, 'image.copy_failed')
    }
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
