import { isPicture, unknownType, whatItIs } from '../domain/picture.ts'
import type { Blobs, StoredFile } from '../domain/ports.ts'
import { FetchFailed } from '../net/failure.ts'
import type { Fetcher } from '../net/fetch.ts'

export type FetchResultDeps = {
  blobs: Blobs
  fetcher: Fetcher
  maxBytes: number
}

export type WantedResult = {
  jobId: string
  url: string
  /** Bytes of a kind that we do not know are kept, whatever their server calls them. */
  isLastTry: boolean
  signal?: AbortSignal
}

/** For everything together. However large a picture is, it comes at a least rate; this bounds how long one may hold a place. */
const timeoutMs = 300_000

/**
 * Downloads a result's picture into its job's folder, and looks whether it is one: stores and CDNs answer 200 with pages, with
 * errors and with nothing while they do not have it yet.
 * @throws FetchFailed; errors of the disk come through as they are.
 */
export async function fetchResult(deps: FetchResultDeps, { jobId, url, isLastTry, signal }: WantedResult): Promise<StoredFile> {
  const { blobs, fetcher, maxBytes } = deps
  let isCalledPicture = false
  const limits = { maxBytes, timeoutMs, ...(signal === undefined ? {} : { signal }) }
  const file = await fetcher.fetchToFile(
    url,
    answer => {
      isCalledPicture = answer.contentType.startsWith('image/')
      return blobs.create(jobId, 'out')
    },
    limits,
  )
  const isTaken = isPicture(file) && (file.contentType !== unknownType || isCalledPicture || isLastTry)
  if (isTaken) return file
  await blobs.remove(jobId, file.name)
  const what = isPicture(file) ? 'bytes of a kind that we do not know' : whatItIs(file)
  throw new FetchFailed(`answered with ${what} in the place of a picture`, { retryable: true, status: 200 })
}
