import type { RequestListener } from 'node:http'
import { expect, onTestFinished } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import type { Clock, StoredFile } from '../../src/domain/ports.ts'
import { FetchFailed } from '../../src/net/failure.ts'
import { createFetcher, type Fetcher, type FetchLimits } from '../../src/net/fetch.ts'
import type { DialPolicy } from '../../src/net/guard.ts'
import { MemorySink } from './sink.ts'

export const limits: FetchLimits = { maxBytes: 2 ** 20, timeoutMs: 10_000 }

/** A fetcher that closes with the test; without a policy it fetches from everywhere. */
export function fetcherFor(policy: Partial<DialPolicy> = { allowPrivate: true }, clock: Clock = systemClock): Fetcher {
  const fetcher = createFetcher({ allowPrivate: false, ...policy }, clock)
  onTestFinished(async () => fetcher.close())
  return fetcher
}

export type Outcome = { sink: MemorySink | null; file: StoredFile | null; error: unknown }

/** One download, with how it ended and the sink it opened, if any. */
export async function download(
  url: string,
  options: Partial<FetchLimits> & { fetcher?: Fetcher; sink?: MemorySink } = {},
): Promise<Outcome> {
  const { fetcher = fetcherFor(), sink = new MemorySink(), ...changed } = options
  const opened: MemorySink[] = []
  const openSink = () => {
    opened.push(sink)
    return sink
  }
  let file: StoredFile | null = null
  let error: unknown = null
  try {
    file = await fetcher.fetchToFile(url, openSink, { ...limits, ...changed })
  } catch (thrown) {
    error = thrown
  }
  expect(opened.length).toBeLessThanOrEqual(1)
  if (error instanceof FetchFailed && opened.length > 0) expect(sink.state).toBe('discarded')
  return { sink: opened[0] ?? null, file, error }
}

/** Matches a FetchFailed. */
export function failed(reason: string | RegExp, retryable: boolean, status: number | null): unknown {
  return expect.objectContaining({
    name: 'FetchFailed',
    reason: typeof reason === 'string' ? reason : expect.stringMatching(reason),
    retryable,
    status,
  })
}

/** Answers everything with a picture of 9 bytes. */
export const picture: RequestListener = (_, response) => void response.setHeader('content-type', 'image/png').end('a picture')
