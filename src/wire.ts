import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Config } from './config.ts'
import { idMaker } from './domain/ids.ts'
import type { Clock, Log } from './domain/ports.ts'
import { makeSigner, type Signer } from './domain/signer.ts'
import type { JobStore } from './domain/store.ts'
import { openDisk } from './files/disk.ts'
import { makeReserve } from './files/reserve.ts'
import { loadSecrets } from './files/secret.ts'
import { makeApp } from './http/app.ts'
import { type ApiKeys, makeKeyring } from './http/keyring.ts'
import { makeLinks } from './http/links.ts'
import { placeholderCallbacks } from './http/openai-request.ts'
import { makeRenderer } from './http/rendered.ts'
import { makeMeter } from './metrics/meter.ts'
import { makeMetrics } from './metrics/metrics.ts'
import { checkUrl } from './net/guard.ts'
import { reachProblem } from './net/reach.ts'
import type { Sandbox } from './sandbox/sandbox.ts'
import { makeAccept } from './steps/accept.ts'
import { startFeed } from './steps/feed.ts'
import { makeHeld } from './steps/held.ts'
import { makeIngest } from './steps/ingest.ts'
import { makePace } from './steps/pace.ts'
import { makePictures } from './steps/pictures.ts'
import { makeResultBodies } from './steps/result-body.ts'
import { makeSmaller } from './steps/smaller.ts'
import { takeOver } from './steps/take-over.ts'
import { makeWatch } from './steps/watch.ts'
import { type Lock, lockFolder } from './store/lock.ts'
import { openStore } from './store/store.ts'
import { makeSender } from './webhook/send.ts'
import { makeAddresses } from './wire/addresses.ts'
import { openProviderSide } from './wire/provider.ts'
import { refuseProviderLoop } from './wire/provider-loop.ts'
import { type Steps, startSteps } from './wire/steps.ts'

export type Parts = {
  clock: Clock
  log: Log
  /** In [0, 1). */
  chance: () => number
  version: string
  /** The store can't be relied on any more, or the provider turned out to be us: the process must end. */
  onFatal: (error: Error) => void
  onAnswered?: (fields: object) => void
}

export type Service = {
  app: FastifyInstance
  store: JobStore
  signer: Signer
  sandbox: Sandbox | null
  /** What our URLs begin with. */
  baseUrl: () => string
  dataDir: string
  /** From now on these are the API keys; there are some. */
  replaceApiKeys(apiKeys: ApiKeys): void
  /** Stops taking, answers what is under way, and closes; ends within `withinMs` whatever the sockets do. */
  close(withinMs: number): Promise<void>
}

/** So much of the disk is left alone when room is kept for another start. */
const leftAtStartBytes = 4 * 2 ** 20
const migrationsFolder = join(import.meta.dirname, '..', 'migrations', 'sqlite')

function portOf(app: FastifyInstance, fallback: number): number {
  const address = app.server.address()
  return typeof address === 'object' && address !== null ? address.port : fallback
}

/**
 * Builds the service out of its parts, and listens. Nothing is constructed but here and in wire/.
 * @throws Error where another process has the data folder, or the port.
 */
export async function startService(config: Config, parts: Parts): Promise<Service> {
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 })
  // Before anything is touched: what a living process is doing would look like what a dead one left behind.
  const lock = lockFolder(join(config.dataDir, 'lock'))
  try {
    return await build(config, parts, lock)
  } catch (error) {
    lock.release()
    throw error
  }
}

async function build(config: Config, parts: Parts, lock: Lock): Promise<Service> {
  const { clock, log } = parts
  const reserve = makeReserve(join(config.dataDir, 'reserve'))
  const secrets =
    config.secrets.length > 0 ? config.secrets : await reserve.within(() => loadSecrets(join(config.dataDir, 'secret')))
  const signer = makeSigner(secrets)
  const disk = await reserve.within(() => openDisk(join(config.dataDir, 'jobs')))
  const { meter, registry } = makeMeter()
  const databasePath = join(config.dataDir, 'darkroom.db')
  const store = await reserve.within(() =>
    openStore({
      path: databasePath,
      migrations: migrationsFolder,
      onFatal: parts.onFatal,
      now: () => clock.now(),
      onCommit: (writes, durationMs) => meter.committed(writes, durationMs),
    }),
  )
  const addresses = makeAddresses(config, signer, config.provider === 'sandbox')
  const { baseUrl } = addresses
  const providerSide = await reserve.within(() => openProviderSide(config, { blobs: disk, clock, log, baseUrl }))
  const { provider, fetcher, sandbox } = providerSide
  const watch = makeWatch(store, clock)

  let steps: Steps | null = null
  let closing = false
  const instance = randomUUID()
  const shared = { store, blobs: disk, clock, log, meter, chance: parts.chance, by: instance }
  const pausedUntil = (): number | null => steps?.submit.pausedUntil() ?? null
  const metrics = makeMetrics({
    ...shared,
    counted: registry,
    databasePath,
    maxInFlight: config.maxInFlight,
    isPaused: () => pausedUntil() !== null,
    version: parts.version,
  })
  const webhookSecrets = config.webhookSecrets.length > 0 ? config.webhookSecrets : signer.defaultWebhookSecrets()
  const webhookPolicy = { allowPrivate: config.webhookAllowPrivate }
  const requestLimits = {
    jobTimeoutS: config.jobTimeoutS,
    webhookUrlProblem: (url: string): string | null => {
      const check = checkUrl(url, webhookPolicy)
      return check.ok ? null : check.reason
    },
  }
  const links = makeLinks(baseUrl, signer, () => clock.now())
  const bodies = makeResultBodies(disk, links)
  const renderer = makeRenderer(store, links, clock)
  const held = makeHeld({ ...shared, watch })
  const feed = await startFeed({ ...shared, links })
  const keyring = makeKeyring(config.apiKeys, config.adminKey)
  const app = await makeApp({
    feed,
    bodies,
    renderer,
    pace: makePace(store, clock),
    smaller: makeSmaller(shared),
    held,
    store,
    blobs: disk,
    watch,
    clock,
    log,
    signer,
    links,
    newId: idMaker(clock),
    accept: makeAccept({
      ...shared,
      fetcher,
      watch,
      submit: { claimAfter: write => steps?.submit.claimAfter(write) ?? write() },
      maxImageBytes: config.maxImageBytes,
    }),
    ingest: makeIngest({
      ...shared,
      maxCallbackBytes: config.maxCallbackBytes,
      onResult: () => steps?.copy.wake(),
      onMalformed: () => steps?.poll?.wake(),
    }),
    pictures: makePictures({
      ...shared,
      fetcher,
      watch,
      maxImageBytes: config.maxImageBytes,
      maxResultBytes: config.maxCallbackBytes,
    }),
    requestLimits,
    answerWithinS: config.answerWithinS,
    waitMaxS: config.waitMaxS,
    isPlaceholderCallback: placeholderCallbacks([config.providerBaseUrl, ...(sandbox === null ? [] : [sandbox.baseUrl])]),
    limits: { maxImageBytes: config.maxImageBytes, maxRequestBytes: config.maxRequestBytes },
    maxCallbackBytes: config.maxCallbackBytes,
    access: {
      keyring,
      rateLimitMax: config.rateLimitMax,
      rateLimitWindowS: config.rateLimitWindowS,
    },
    trustProxy: config.trustProxy,
    provider: config.provider,
    version: parts.version,
    baseUrl,
    instance,
    pausedUntil,
    meter,
    metrics,
    isClosing: () => closing,
    ...(parts.onAnswered === undefined ? {} : { onAnswered: parts.onAnswered }),
  })

  const ending = new AbortController()
  await takeOver({ ...shared, asks: config.providerTasksPath !== '', withRoom: reserve.within }, ending.signal)
  await app.listen({ host: config.host, port: config.port })
  addresses.listensOn(portOf(app, config.port))
  if (sandbox === null)
    await refuseProviderLoop(config.providerBaseUrl, instance, { clock, onLoop: parts.onFatal, signal: ending.signal })

  const sender = makeSender(webhookPolicy, webhookSecrets, parts.version)
  const started = startSteps(config, { ...shared, provider, fetcher, signer, addresses, links, bodies, sender })
  steps = started

  // Not the last room that a service has which just started on a full disk.
  void reserve.keep(leftAtStartBytes)
  if (config.publicUrl !== null) void checkPublicUrl(config.publicUrl, instance, log)

  async function close(withinMs: number): Promise<void> {
    if (closing) return
    closing = true
    ending.abort()
    const deadline = AbortSignal.timeout(Math.max(1, withinMs - 1_000))
    watch.close()
    await feed.close()
    renderer.close()
    metrics.close()
    await Promise.all([closeApp(app, deadline), started.close(deadline)])
    await providerSide.close()
    await held.close()
    await store.close()
    await reserve.keep(0)
    lock.release()
  }
  return { app, store, signer, sandbox, baseUrl, dataDir: config.dataDir, replaceApiKeys: keyring.replace, close }
}

/** Tried once: where it does not lead back here, callbacks are lost on their way, and are polled for instead. */
async function checkPublicUrl(publicUrl: string, instance: string, log: Log): Promise<void> {
  const problem = await reachProblem(publicUrl, instance)
  if (problem === null) log.info({ url: publicUrl }, 'public_url.reached')
  else log.warn({ url: publicUrl, problem: problem.text }, 'public_url.unreachable')
}

const sweepIdleEveryMs = 100

/** Stops listening and lets every request end that is under way; at the deadline their connections are closed. */
async function closeApp(app: FastifyInstance, deadline: AbortSignal): Promise<void> {
  // A connection that goes idle while closing would be waited for as long as it keeps alive.
  const sweeping = setInterval(() => app.server.closeIdleConnections(), sweepIdleEveryMs)
  const force = (): void => app.server.closeAllConnections()
  deadline.addEventListener('abort', force)
  try {
    await app.close()
  } finally {
    clearInterval(sweeping)
    deadline.removeEventListener('abort', force)
  }
}
