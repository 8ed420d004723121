import { invalid } from '../domain/errors.ts'
import { isTaken, lookIn } from '../domain/kinds.ts'
import { encodingFor } from '../domain/models.ts'
import type { Blobs, StoredFile } from '../domain/ports.ts'
import type { Input, JobRequest } from '../domain/request.ts'
import { FetchFailed } from '../net/failure.ts'
import type { Fetcher } from '../net/fetch.ts'

const inputTimeoutMs = 20_000
/** For one whose good answer broke off, or came too slowly: it is asked for once more. */
const secondTimeoutMs = 10_000

/** Makes what fetches the pictures that a request's model takes only as files. It throws `invalid_request` for one that it can't. */
export function makeInputFetch(deps: { blobs: Blobs; fetcher: Fetcher; maxImageBytes: number }) {
  async function download(jobId: string, url: string): Promise<StoredFile> {
    const within = (timeoutMs: number): Promise<StoredFile> =>
      deps.fetcher.fetchToFile(url, () => deps.blobs.create(jobId, 'in'), { maxBytes: deps.maxImageBytes, timeoutMs })
    try {
      return await within(inputTimeoutMs)
    } catch (error) {
      if (error instanceof FetchFailed && error.retryable && error.status === 200) return within(secondTimeoutMs)
      throw error
    }
  }

  async function fetchInput(jobId: string, field: Input['role'], url: string): Promise<StoredFile> {
    const named = `${field}: ${url.slice(0, 500)}`
    try {
      const file = await download(jobId, url)
      if (!isTaken(file.contentType)) throw invalid(field, `${named} isn't a PNG, JPEG or WebP${lookIn(file)}`)
      return file
    } catch (error) {
      if (error instanceof FetchFailed) throw invalid(field, `${named} ${error.reason}`)
      throw error
    }
  }

  return async (jobId: string, request: JobRequest): Promise<JobRequest> => {
    const { asFile } = encodingFor(request.edit.model, request.edit.inputs)
    const fetched = request.edit.inputs.map(async (input, index): Promise<Input> => {
      if (input.file !== null || input.url === null || asFile[index] !== true) return input
      return { ...input, file: await fetchInput(jobId, input.role, input.url) }
    })
    // All end before one failure is told: no download is left behind that writes into a folder being removed.
    const outcomes = await Promise.allSettled(fetched)
    const inputs = outcomes.map(outcome => {
      if (outcome.status === 'rejected') throw outcome.reason
      return outcome.value
    })
    return { ...request, edit: { ...request.edit, inputs } }
  }
}
