import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { createGate } from './gate.ts'
import { type Input, maxImageBytes } from './receive.ts'

const downloadTimeoutMs = 10_000
const downloadsAtOnce = 8

/**
 * Downloads a URL into a new file at `path`. Rejects where it does not answer 200, has more bytes than `maxBytes`, or must not be
 * asked; whoever submitted the URL is told the error's first line.
 */
export type FetchPicture = (url: string, path: string, limits: { maxBytes: number; signal: AbortSignal }) => Promise<void>

/** What is not given a way to fetch fetches nothing. */
export const fetchNothing: FetchPicture = async () => {
  throw new Error('this sandbox fetches no URLs')
}

/**
 * Makes the function that brings an input onto the disk and answers with its path: 8 downloads at once, 50 MB and 10 s each.
 * It rejects as `fetchPicture` does.
 */
export function createInputReader(
  fetchPicture: FetchPicture,
  closing: AbortSignal,
): (input: Input, folder: string) => Promise<string> {
  const inTurn = createGate(downloadsAtOnce)
  return async (input, folder) => {
    if (input.kind === 'file') return input.path
    const path = join(folder, randomUUID())
    await inTurn(() => {
      const signal = AbortSignal.any([closing, AbortSignal.timeout(downloadTimeoutMs)])
      return fetchPicture(input.url, path, { maxBytes: maxImageBytes, signal })
    })
    return path
  }
}
