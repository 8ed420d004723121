import type { Readable } from 'node:stream'
import { ServiceError } from '../domain/errors.ts'
import type { Blobs, Clock } from '../domain/ports.ts'
import { copyState, type FileFacts, type ImageRecord, type JobRecord } from '../domain/records.ts'
import type { JobStore } from '../domain/store.ts'
import { FetchFailed } from '../net/failure.ts'
import type { Fetcher } from '../net/fetch.ts'
import { fetchResult } from './fetch-result.ts'
import { discardUnnamed } from './leftovers.ts'
import { openThrough } from './pass-through.ts'
import type { Watch } from './watch.ts'

export type PicturesDeps = {
  store: JobStore
  blobs: Blobs
  fetcher: Fetcher
  watch: Watch
  clock: Clock
  maxImageBytes: number
  maxResultBytes: number
}

/** What is known of a picture whose file is here. */
export type PictureFile = FileFacts & { file: string }

export type Pictures = {
  /**
   * A result's picture; waits a little for its copy where that is still to come, until the signal fires. One whose copy was given
   * up is copied now. null: it is not here yet.
   * @throws ServiceError `not_found`; `unavailable` where it cannot be copied now either.
   */
  image(job: JobRecord, position: number, signal?: AbortSignal): Promise<PictureFile | null>
  /** A result's picture straight from the provider, while it is not here. @throws ServiceError `not_found`, `unavailable`. */
  passThrough(job: JobRecord, position: number, signal?: AbortSignal): Promise<{ contentType: string; stream: Readable }>
  /** A picture that was sent in; one given as a URL is fetched at its first use, and kept. @throws ServiceError `not_found`, `bad_gateway`. */
  input(job: JobRecord, position: number): Promise<PictureFile>
}

const copyWaitMs = 5_000
const fetchTimeoutMs = 20_000

function hasFile(facts: FileFacts | undefined): facts is PictureFile {
  return facts !== undefined && facts.file !== null
}

export function makePictures(deps: PicturesDeps): Pictures {
  const { store, blobs, clock } = deps
  /** Fetches that are under way: a page that shows a picture twice fetches it once. */
  const fetching = new Map<string, Promise<void>>()
  const notFound = (): ServiceError => new ServiceError('not_found', 'there is no such picture', { param: 'index' })

  /** The work of this name, or the one of this name that is under way. */
  function once(name: string, work: () => Promise<void>): Promise<void> {
    const running = fetching.get(name) ?? work().finally(() => fetching.delete(name))
    fetching.set(name, running)
    return running
  }

  function notCopied(failure: FetchFailed): ServiceError {
    const message = `the picture could not be copied from the provider yet: its URL ${failure.reason}`
    return new ServiceError('unavailable', message, { retryAfterS: 5, cause: failure })
  }

  /** Copies a picture that was given up. It goes on for others when who asked first has gone. */
  async function fetchGivenUp(jobId: string, position: number, url: string): Promise<void> {
    try {
      const file = await fetchResult({ ...deps, maxBytes: deps.maxResultBytes }, { jobId, url, isLastTry: true })
      if (!(await store.imageCopied({ jobId, position, file }))) await discardUnnamed(deps, jobId, [file])
    } catch (error) {
      throw error instanceof FetchFailed ? notCopied(error) : error
    }
  }

  async function fetchInput(job: JobRecord, position: number, url: string): Promise<void> {
    const limits = { maxBytes: deps.maxImageBytes, timeoutMs: fetchTimeoutMs }
    try {
      const file = await deps.fetcher.fetchToFile(url, () => blobs.create(job.id, 'in'), limits)
      // Whatever else it is, it is not kept, nor shown from our address.
      const isPicture = file.contentType.startsWith('image/')
      if (!isPicture || !(await store.inputStored({ jobId: job.id, position, file }))) await blobs.remove(job.id, file.name)
      if (!isPicture) throw new FetchFailed('did not answer with a picture')
    } catch (error) {
      if (error instanceof FetchFailed)
        throw new ServiceError('bad_gateway', `the picture's URL ${error.reason}`, { cause: error })
      throw error
    }
  }

  return {
    async image(job, position, signal) {
      const imageOf = (one: JobRecord | null): ImageRecord | undefined => one?.images.find(image => image.position === position)
      if (imageOf(job) === undefined) throw notFound()
      const isOver = (one: JobRecord): boolean => (imageOf(one)?.copyAt ?? null) === null
      const image = imageOf(await deps.watch.watch(job.id, isOver, clock.now() + copyWaitMs, signal))
      if (image === undefined || hasFile(image)) return image ?? null
      const { providerUrl } = image
      if (copyState(image) === 'to_come' || providerUrl === null) return null
      await once(`${job.id}/images/${position}`, () => fetchGivenUp(job.id, position, providerUrl))
      const kept = imageOf(await store.job(job.id))
      if (hasFile(kept)) return kept
      throw notFound()
    },
    async passThrough(job, position, signal) {
      const url = job.images.find(image => image.position === position)?.providerUrl
      if (url === null || url === undefined) throw notFound()
      try {
        return await openThrough(deps.fetcher, url, deps.maxResultBytes, signal)
      } catch (error) {
        throw error instanceof FetchFailed ? notCopied(error) : error
      }
    },
    async input(job, position) {
      const input = job.inputs.find(one => one.position === position)
      if (input === undefined) throw notFound()
      if (hasFile(input)) return input
      if (input.url === null) throw notFound()
      const { url } = input
      await once(`${job.id}/inputs/${position}`, () => fetchInput(job, position, url))
      const stored = (await store.job(job.id))?.inputs.find(one => one.position === position)
      if (hasFile(stored)) return stored
      throw notFound()
    },
  }
}
