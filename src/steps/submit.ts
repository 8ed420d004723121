import { randomUUID } from 'node:crypto'
import { encodingFor } from '../domain/models.ts'
import type { Blobs, Clock, Log } from '../domain/ports.ts'
import type { Provider, SubmitInput, SubmitOrder, SubmitOutcome } from '../domain/provider.ts'
import type { ClaimedTask, InputRecord, JobRecord } from '../domain/records.ts'
import { sendsN } from '../domain/request.ts'
import { maxServerErrors, submitRetryAt } from '../domain/retry.ts'
import type { JobStore } from '../domain/store.ts'
import { discardUnused } from './leftovers.ts'
import { type Next, startLoop } from './loop.ts'
import { persist } from './persist.ts'

export type SubmitDeps = {
  store: JobStore
  blobs: Blobs
  provider: Provider
  clock: Clock
  log: Log
  /** In [0, 1). */
  chance: () => number
  maxInFlight: number
  submitTimeoutMs: number
  /** When a task that was just submitted is first asked for; null: never. */
  firstPollAt: (now: number) => number | null
  /** Where the provider is to POST a task's result; null: nowhere, it is asked for. */
  callbackUrl: (taskId: number) => string | null
  /** A result came with the submit's own answer. */
  onResult: () => void
}

export type SubmitStep = {
  wake(): void
  /** Resolves when all that could be claimed after this call is claimed. */
  pass(): Promise<void>
  /** Until when nothing is submitted because the provider refuses the account; null: not paused. */
  pausedUntil(): number | null
  /** Claims nothing more, and waits for answers that are under way until the signal fires. */
  close(signal: AbortSignal): Promise<void>
}

/** An unconfirmed task takes room at the provider this long. */
const unconfirmedCountsMs = 300_000
/** However slow the line, an upload has ended by then, or is given up on. */
const uploadTimeoutMs = 600_000
const pauseMs = 60_000

/** Refusals that are about the account and would meet every job alike. */
function isAboutTheAccount(outcome: SubmitOutcome): boolean {
  return (
    outcome.kind === 'refused' &&
    (outcome.status === 401 || outcome.error.code === 'used_up' || outcome.error.code === 'disabled')
  )
}

function toSubmitInput(job: JobRecord, input: InputRecord, asFile: boolean, blobs: Blobs): SubmitInput {
  if (!asFile && input.url !== null) return { role: input.role, kind: 'url', url: input.url }
  if (input.file === null) throw new Error(`job ${job.id}: picture ${input.position} was to be fetched before the job was taken`)
  return {
    role: input.role,
    kind: 'file',
    path: blobs.pathOf(job.id, input.file),
    sizeBytes: input.sizeBytes ?? 0,
    contentType: input.contentType ?? 'application/octet-stream',
  }
}

/** What one of a job's tasks sends. */
function orderFor(job: JobRecord, callbackUrl: string | null, blobs: Blobs): SubmitOrder {
  const encoding = encodingFor(job.model, job.inputs)
  return {
    jobId: job.id,
    model: job.model,
    prompt: job.prompt,
    params: job.params,
    n: sendsN(job) ? job.n : null,
    body: encoding.body,
    inputs: job.inputs.map((input, index) => toSubmitInput(job, input, encoding.asFile[index] === true, blobs)),
    callbackUrl,
  }
}

/** Claims tasks whose turn it is, and submits each at most once. */
export function startSubmit(deps: SubmitDeps): SubmitStep {
  const { store, clock, log } = deps
  // A process has a name of its own, so that its claims are told from those of one that died.
  const by = randomUUID()
  const underWay = new Set<Promise<void>>()
  const stopping = new AbortController()
  let pausedUntil: number | null = null

  async function pass(): Promise<Next> {
    const now = clock.now()
    if (pausedUntil !== null && pausedUntil > now) return pausedUntil
    pausedUntil = null
    const nextAt = await store.nextQueuedAt()
    if (nextAt === null || nextAt > now) return nextAt
    const until = now + uploadTimeoutMs + deps.submitTimeoutMs + 60_000
    const claimed = await store.claimTasks({ by, until, now, maxInFlight: deps.maxInFlight, unconfirmedCountsMs })
    for (const task of claimed) {
      const run = submitOne(task)
        .catch((error: unknown) => log.error({ err: error, job: task.jobId, task: task.taskId }, 'task.submit_broke'))
        .finally(() => underWay.delete(run))
      underWay.add(run)
    }
    return claimed.length === 0 ? null : 'now'
  }

  async function submitOne(task: ClaimedTask): Promise<void> {
    const job = await store.job(task.jobId)
    if (job === null) return
    const startedAt = clock.now()
    const deadline = new AbortController()
    const cancelDeadline = clock.after(Math.max(0, job.expiresAt - startedAt), () => deadline.abort())
    const signal = AbortSignal.any([deadline.signal, stopping.signal])
    try {
      const order = orderFor(job, deps.callbackUrl(task.taskId), deps.blobs)
      const attempt = deps.provider.submit(order, signal)
      const first = await firstOf(attempt.outcome, attempt.sent)
      if (first !== null) return await record(task, job, first, startedAt, false)
      // The provider has it all and is silent. It is given up on, but whatever it still says is used.
      await keep(() => store.taskUnconfirmed({ taskId: task.taskId, now: clock.now(), pollAt: deps.firstPollAt(clock.now()) }))
      log.warn({ job: job.id, task: task.taskId, ms: clock.now() - startedAt }, 'task.unconfirmed')
      await record(task, job, await attempt.outcome, startedAt, true)
    } finally {
      cancelDeadline()
    }
  }

  /** The outcome, or null where there was none within the time after the end of the upload. */
  async function firstOf(outcome: Promise<SubmitOutcome>, sent: Promise<void>): Promise<SubmitOutcome | null> {
    const cancels: (() => void)[] = []
    const elapsed = (delayMs: number): Promise<null> =>
      new Promise(resolve => {
        cancels.push(clock.after(delayMs, () => resolve(null)))
      })
    let answered = false
    const silence = sent.then(() => (answered ? null : elapsed(deps.submitTimeoutMs)))
    try {
      return await Promise.race([outcome, silence, elapsed(uploadTimeoutMs)])
    } finally {
      answered = true
      for (const cancel of cancels) cancel()
    }
  }

  function keep<T>(write: () => Promise<T>): Promise<T> {
    return persist(write, { clock, log, signal: stopping.signal })
  }

  async function record(
    task: ClaimedTask,
    job: JobRecord,
    outcome: SubmitOutcome,
    startedAt: number,
    afterGivingUp: boolean,
  ): Promise<void> {
    const { taskId } = task
    const now = clock.now()
    const about = { job: job.id, task: taskId, attempt: task.attempts, ms: now - startedAt }
    switch (outcome.kind) {
      case 'accepted': {
        const { taskId: providerTaskId, traceId } = outcome
        await keep(() => store.taskSubmitted({ taskId, providerTaskId, traceId, now, pollAt: deps.firstPollAt(now) }))
        return log.info({ ...about, provider_task: providerTaskId }, 'task.submitted')
      }
      case 'finished': {
        const { result } = outcome
        const applied = await keep(() => store.applyResult({ taskId, result, source: 'inline', now, copyAt: now, receipt: null }))
        await discardUnused(deps.blobs, job.id, result, applied.kept)
        deps.onResult()
        return log.info({ ...about, outcome: applied.outcome, result: result.kind }, 'task.finished_inline')
      }
      case 'refused':
        if (isAboutTheAccount(outcome)) pause(outcome.error.code)
        await keep(() => store.taskRefused({ taskId, error: outcome.error, now }))
        return log.warn({ ...about, status: outcome.status, code: outcome.error.code }, 'task.refused')
      case 'not_sent':
        return notSent(task, job, outcome, about, afterGivingUp)
      case 'unconfirmed':
        if (!afterGivingUp) await keep(() => store.taskUnconfirmed({ taskId, now, pollAt: deps.firstPollAt(now) }))
        return log.warn({ ...about, reason: outcome.reason }, 'task.unconfirmed')
      default:
        return outcome satisfies never
    }
  }

  async function notSent(
    task: ClaimedTask,
    job: JobRecord,
    outcome: Extract<SubmitOutcome, { kind: 'not_sent' }>,
    about: object,
    afterGivingUp: boolean,
  ): Promise<void> {
    const now = clock.now()
    const serverError = outcome.reason === 'server_error'
    const failures = (job.tasks.find(one => one.id === task.taskId)?.serverErrors ?? 0) + (serverError ? 1 : 0)
    // What was once unconfirmed is never submitted again, and what the provider cannot do six times it will not do.
    if (afterGivingUp || failures >= maxServerErrors) {
      await keep(() => store.taskRefused({ taskId: task.taskId, error: outcome.error, now }))
      return log.warn({ ...about, code: outcome.error.code }, 'task.given_up')
    }
    const dueAt = submitRetryAt(task.attempts, outcome.retryAfterMs, now, deps.chance())
    await keep(() => store.taskReleased({ taskId: task.taskId, dueAt, serverError, now }))
    log.warn({ ...about, reason: outcome.reason, code: outcome.error.code, retry_in_ms: dueAt - now }, 'task.not_sent')
  }

  function pause(code: string): void {
    pausedUntil = clock.now() + pauseMs
    log.error({ code, seconds: pauseMs / 1_000 }, 'submitting.paused')
  }

  const loop = startLoop('submit', pass, { clock, log })
  // A task that ends makes room for the next.
  const unsubscribe = store.onChange(() => loop.wake())
  return {
    wake: () => loop.wake(),
    pass: () => loop.pass(),
    pausedUntil: () => (pausedUntil !== null && pausedUntil > clock.now() ? pausedUntil : null),
    async close(signal) {
      unsubscribe()
      await loop.close()
      signal.addEventListener('abort', () => stopping.abort())
      if (signal.aborted) stopping.abort()
      await Promise.all(underWay)
    },
  }
}
