import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Config } from './config.ts'
import { idMaker } from './domain/ids.ts'
import type { Clock, Log } from './domain/ports.ts'
import { makeSigner, type Signer } from './domain/signer.ts'
import type { JobStore } from './domain/store.ts'
import { openDisk } from './files/disk.ts'
import { loadSecret } from './files/secret.ts'
import { makeApp } from './http/app.ts'
import { makeLinks } from './http/links.ts'
import { makeRenderer } from './http/rendered.ts'
import { createFetcher } from './net/fetch.ts'
import { checkUrl } from './net/guard.ts'
import { reachProblem } from './net/reach.ts'
import { connectProvider } from './provider/client.ts'
import { parseFaults, type Sandbox, startSandbox } from './sandbox/sandbox.ts'
import { makeAccept } from './steps/accept.ts'
import { type CopyStep, startCopy } from './steps/copy.ts'
import { startFeed } from './steps/feed.ts'
import { makeHeld } from './steps/held.ts'
import { makeIngest } from './steps/ingest.ts'
import { type NotifyStep, startNotify } from './steps/notify.ts'
import { makePace } from './steps/pace.ts'
import { makePictures } from './steps/pictures.ts'
import { type PollStep, startPoll } from './steps/poll.ts'
import { makeResultBodies } from './steps/result-body.ts'
import { type RetentionStep, startRetention } from './steps/retention.ts'
import { makeSmaller } from './steps/smaller.ts'
import { type SubmitStep, startSubmit } from './steps/submit.ts'
import { type SweepStep, startSweep } from './steps/sweep.ts'
import { makeWatch } from './steps/watch.ts'
import { type Lock, lockFolder } from './store/lock.ts'
import { openStore } from './store/store.ts'
import { makeSender } from './webhook/send.ts'

export type Parts = {
  clock: Clock
  log: Log
  /** In [0, 1). */
  chance: () => number
  version: string
  /** The store can't be relied on any more: the process must end. */
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
  /** Stops taking, answers what is under way, and closes; ends within `withinMs` whatever the sockets do. */
  close(withinMs: number): Promise<void>
}

const migrationsFolder = join(import.meta.dirname, '..', 'migrations', 'sqlite')

/** Where we are reached on this machine, for one who listens on every address too. */
function localUrl(config: Config, port: number, name: string): string {
  const everywhere = config.host === '0.0.0.0' || config.host === '::' || config.host === '127.0.0.1'
  const host = everywhere ? name : config.host.includes(':') ? `[${config.host}]` : config.host
  return `http://${host}:${port}`
}

function portOf(app: FastifyInstance, fallback: number): number {
  const address = app.server.address()
  return typeof address === 'object' && address !== null ? address.port : fallback
}

async function startProviderOf(config: Config, log: Log): Promise<Sandbox | null> {
  if (config.provider !== 'sandbox') return null
  const folder = join(config.dataDir, 'sandbox')
  // What a sandbox left that was killed is of no use to the next: it knows of no earlier task.
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  return startSandbox({
    port: config.sandboxPort,
    delayMs: config.sandboxDelayMs,
    faults: parseFaults(config.sandboxFaults),
    folder,
    onLog: line => log.info(line, 'sandbox'),
  })
}

/**
 * Builds the service out of its parts, and listens. The only place that constructs things.
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
  const secrets = config.secrets.length > 0 ? config.secrets : [await loadSecret(join(config.dataDir, 'secret'))]
  const signer = makeSigner(secrets)
  const disk = await openDisk(join(config.dataDir, 'jobs'))
  const store = await openStore({
    path: join(config.dataDir, 'darkroom.db'),
    migrations: migrationsFolder,
    onFatal: parts.onFatal,
    now: () => clock.now(),
  })
  const sandbox = await startProviderOf(config, log)
  const provider = connectProvider({
    baseUrl: sandbox?.baseUrl ?? config.providerBaseUrl,
    editsPath: config.providerEditsPath,
    tasksPath: config.providerTasksPath,
    apiKey: config.providerApiKey ?? 'sandbox',
    blobs: disk,
    clock,
    maxAnswerBytes: config.maxCallbackBytes,
  })
  const fetcher = createFetcher({ allowPrivate: config.fetchAllowPrivate, allowedOrigins: sandbox === null ? [] : [sandbox.url] })
  const watch = makeWatch(store, clock)

  // Port 0 is another one once we listen; before, and for every other port, it is the one that was set.
  let boundPort = config.port
  const baseUrl = (): string => config.publicUrl ?? localUrl(config, boundPort, 'localhost')
  const callbackBase = (): string | null =>
    config.publicUrl ?? (sandbox === null ? null : localUrl(config, boundPort, '127.0.0.1'))
  const callbackUrl = (taskId: number): string | null => {
    const base = callbackBase()
    return base === null ? null : `${base}/callbacks/${signer.callbackToken(taskId)}`
  }
  const firstPollAt = (now: number): number | null => {
    if (config.providerTasksPath === '') return null
    return now + 1_000 * (callbackBase() === null ? config.pollEveryS : config.pollAfterS)
  }

  let steps: Steps | null = null
  let closing = false
  const instance = randomUUID()
  const shared = { store, blobs: disk, clock, log, chance: parts.chance }
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
  const feed = await startFeed({ ...shared, links })
  const app = await makeApp({
    feed,
    bodies,
    renderer,
    pace: makePace(store, clock),
    smaller: makeSmaller(shared),
    held: makeHeld({ ...shared, watch }),
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
      submit: { pass: async () => steps?.submit.pass() },
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
    limits: { maxImageBytes: config.maxImageBytes, maxRequestBytes: config.maxRequestBytes },
    maxCallbackBytes: config.maxCallbackBytes,
    access: {
      apiKeys: config.apiKeys,
      adminKey: config.adminKey,
      rateLimitMax: config.rateLimitMax,
      rateLimitWindowS: config.rateLimitWindowS,
    },
    trustProxy: config.trustProxy,
    version: parts.version,
    instance,
    pausedUntil: () => steps?.submit.pausedUntil() ?? null,
    isClosing: () => closing,
    ...(parts.onAnswered === undefined ? {} : { onAnswered: parts.onAnswered }),
  })

  // Submits that a process took with it when it died: nobody knows what became of them.
  const now = clock.now()
  const recovered = await store.recoverClaims({ by: '', now, pollAt: config.providerTasksPath === '' ? null : now })
  if (recovered > 0) log.warn({ tasks: recovered }, 'submits.interrupted')
  await app.listen({ host: config.host, port: config.port })
  boundPort = portOf(app, config.port)

  const copy = startCopy({ ...shared, fetcher, maxBytes: config.maxCallbackBytes })
  const onResult = (): void => copy.wake()
  steps = {
    copy,
    sweep: startSweep(shared),
    notify: startNotify({ ...shared, links, bodies, sender: makeSender(webhookPolicy, webhookSecrets, parts.version) }),
    retention: startRetention({ ...shared, retentionDays: config.retentionDays }),
    poll:
      config.providerTasksPath === ''
        ? null
        : startPoll({
            ...shared,
            provider,
            pollEveryMs: config.pollEveryS * 1_000,
            taskOfCallbackUrl: url => signer.taskOfToken(url.slice(url.lastIndexOf('/') + 1)),
            onResult,
          }),
    submit: startSubmit({
      ...shared,
      provider,
      maxInFlight: config.maxInFlight,
      submitTimeoutMs: config.submitTimeoutMs,
      firstPollAt,
      callbackUrl,
      onResult,
    }),
  }

  if (config.publicUrl !== null) void checkPublicUrl(config.publicUrl, instance, log)

  const { submit, poll, sweep, retention, notify } = steps
  async function close(withinMs: number): Promise<void> {
    if (closing) return
    closing = true
    const deadline = AbortSignal.timeout(Math.max(1, withinMs - 1_000))
    watch.close()
    await feed.close()
    renderer.close()
    await Promise.all([
      closeApp(app, deadline),
      submit.close(deadline),
      copy.close(),
      poll?.close(),
      sweep.close(),
      retention.close(),
      notify.close(deadline),
    ])
    await Promise.all([provider.close(), fetcher.close(), sandbox?.close()])
    await store.close()
    lock.release()
  }
  return { app, store, signer, sandbox, baseUrl, dataDir: config.dataDir, close }
}

/** Tried once: where it does not lead back here, callbacks are lost on their way, and are polled for instead. */
async function checkPublicUrl(publicUrl: string, instance: string, log: Log): Promise<void> {
  const problem = await reachProblem(publicUrl, instance)
  if (problem === null) log.info({ url: publicUrl }, 'public_url.reached')
  else log.warn({ url: publicUrl, problem }, 'public_url.unreachable')
}

type Steps = {
  submit: SubmitStep
  copy: CopyStep
  poll: PollStep | null
  sweep: SweepStep
  retention: RetentionStep
  notify: NotifyStep
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
