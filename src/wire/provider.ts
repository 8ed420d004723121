import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Config } from '../config.ts'
import type { Blobs, Clock, Log } from '../domain/ports.ts'
import type { Provider } from '../domain/provider.ts'
import { createFetcher, type Fetcher } from '../net/fetch.ts'
import { connectProvider } from '../provider/client.ts'
import { type FetchPicture, parseFaults, type Sandbox, startSandbox } from '../sandbox/sandbox.ts'
import { openThrough } from '../steps/pass-through.ts'

export { faultsProblem } from '../sandbox/sandbox.ts'

/** The provider, and what fetches pictures from it and from everywhere else. */
export type ProviderSide = {
  provider: Provider
  fetcher: Fetcher
  /** null: the provider is a real one. */
  sandbox: Sandbox | null
  close(): Promise<void>
}

/** @param baseUrl what our own URLs begin with. */
export async function openProviderSide(
  config: Config,
  { blobs, clock, log, baseUrl }: { blobs: Blobs; clock: Clock; log: Log; baseUrl: () => string },
): Promise<ProviderSide> {
  let sandbox: Sandbox | null = null
  const policy = {
    allowPrivate: config.fetchAllowPrivate,
    // Results may be edited again, the sandbox's and those we keep. Both addresses are known only once they are listened on.
    get allowedOrigins() {
      return sandbox === null ? [baseUrl()] : [sandbox.url, baseUrl()]
    },
  }
  const fetcher = createFetcher(policy, clock)
  if (config.provider === 'sandbox') sandbox = await openSandbox(config, log, fetcher)
  const provider = connectProvider({
    baseUrl: sandbox?.baseUrl ?? config.providerBaseUrl,
    editsPath: config.providerEditsPath,
    tasksPath: config.providerTasksPath,
    apiKey: config.providerApiKey ?? 'sandbox',
    blobs,
    clock,
    maxAnswerBytes: config.maxCallbackBytes,
  })
  return {
    provider,
    fetcher,
    sandbox,
    async close() {
      await Promise.all([provider.close(), fetcher.close(), sandbox?.close()])
    },
  }
}

/** The sandbox. What it is given as a URL it fetches from within our network, so by the same checks as we do. */
async function openSandbox(config: Config, log: Log, fetcher: Fetcher): Promise<Sandbox> {
  const folder = join(config.dataDir, 'sandbox')
  // What a sandbox left that was killed is of no use to the next: it knows of no earlier task.
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  return startSandbox({
    port: config.sandboxPort,
    delayMs: config.sandboxDelayMs,
    faults: parseFaults(config.sandboxFaults),
    folder,
    fetchPicture: fetchBy(fetcher),
    onLog: line => log.info(line, 'sandbox'),
  })
}

function fetchBy(fetcher: Fetcher): FetchPicture {
  return async (url, path, { maxBytes, signal }) => {
    const { stream } = await openThrough(fetcher, url, maxBytes, signal)
    await pipeline(stream, createWriteStream(path), { signal })
  }
}
