import { createHash } from 'node:crypto'
import { sizeWarning } from '../domain/body-size.ts'
import { ServiceError } from '../domain/errors.ts'
import type { Blobs, Clock, Log } from '../domain/ports.ts'
import type { JobRecord } from '../domain/records.ts'
import type { Input, JobRequest } from '../domain/request.ts'
import { fingerprint, tasksNeeded } from '../domain/request.ts'
import { idempotencyMs } from '../domain/retry.ts'
import type { JobStore, Waiter } from '../domain/store.ts'
import type { Fetcher } from '../net/fetch.ts'
import { type Accepted, acceptedAs } from './accepted.ts'
import { makeInputFetch } from './input-fetch.ts'
import { makeMaskPreparation } from './mask.ts'
import type { SubmitStep } from './submit.ts'
import type { Watch } from './watch.ts'

export type AcceptDeps = {
  store: JobStore
  blobs: Blobs
  fetcher: Fetcher
  submit: Pick<SubmitStep, 'claimAfter'>
  watch: Watch
  clock: Clock
  log: Log
  maxImageBytes: number
}

export type { Accepted } from './accepted.ts'

export type Order = {
  /** Made before the first byte of its pictures was written. */
  jobId: string
  owner: string
  idempotencyKey: string | null
  /** Who waits for its answer, so that retries may claim it; asked just before the job is made. null: no retry may. */
  waiter?: () => Waiter | null
  /** Finds a job that the same request made before and whose answer never arrived: it is answered for instead of a new one. */
  claim?: (fingerprint: string) => Promise<string | null>
}

export type Accept = {
  /**
   * Takes a request: durable, submitted once, answered. Whatever it throws, nothing of the request is left, nor of what
   * `read` wrote into the job's folder.
   * @throws ServiceError `invalid_request`, `idempotency_mismatch`, `storage_full`, `unavailable`.
   */
  accept(order: Order, read: () => Promise<JobRequest>): Promise<Accepted>
  /** The request of an ended job again, as a new job. @throws ServiceError `conflict` where it has not failed, expired or been canceled. */
  retry(order: Order, job: JobRecord): Promise<Accepted>
}

/** How long an answer waits for the submit's. */
const answerWithinMs = 10_000

export function makeAccept(deps: AcceptDeps): Accept {
  const { store, blobs, clock } = deps
  const fetchInputs = makeInputFetch(deps)
  const prepareMask = makeMaskPreparation(deps)
  /** Requests under a key that are being answered now: one that comes meanwhile joins. */
  const underWay = new Map<string, Promise<Accepted>>()

  /** The job that holds this key already, if it is for the same request; null where the key is free. */
  async function holderOf(order: Order, print: string): Promise<string | null> {
    if (order.idempotencyKey === null) return null
    const row = await store.idempotencyKey(order.owner, order.idempotencyKey)
    if (row === null || row.createdAt <= clock.now() - idempotencyMs) return null
    checkSame(row.fingerprint, print)
    return row.jobId
  }

  async function take(order: Order, request: JobRequest, retryOf: string | null): Promise<Accepted> {
    const print = printOf(request, retryOf)
    const holder = await holderOf(order, print)
    if (holder !== null) return replay(order, holder)
    const claimed = (await order.claim?.(print)) ?? null
    if (claimed !== null) return replay(order, claimed)
    const whole = withSizeWarning(await prepareMask(order.jobId, await fetchInputs(order.jobId, request)))
    // Known before the job is there: whoever finds the job finds the answer that it is about to get.
    const answering = createAndAnswer(order, whole, print, retryOf)
    underWay.set(order.jobId, answering)
    try {
      return await answering
    } finally {
      underWay.delete(order.jobId)
    }
  }

  async function createAndAnswer(order: Order, request: JobRequest, print: string, retryOf: string | null): Promise<Accepted> {
    const now = clock.now()
    const created = await deps.submit.claimAfter(() => create(order, request, print, retryOf, now))
    if (created.kind === 'created') return answerTo(order, now + answerWithinMs)
    checkSame(created.fingerprint, print)
    return replay(order, created.jobId)
  }

  async function create(order: Order, request: JobRequest, print: string, retryOf: string | null, now: number) {
    const key = order.idempotencyKey
    const created = await store.createJob({
      id: order.jobId,
      owner: order.owner,
      request,
      fingerprint: print,
      tasks: tasksNeeded(request.edit),
      retryOf,
      now,
      waiter: order.waiter?.() ?? null,
      expiresAt: now + request.timeoutS * 1_000,
      idempotency: key === null ? null : { key, expiresBefore: now - idempotencyMs },
    })
    if (created.kind === 'created')
      deps.log.info(
        { job: order.jobId, owner: order.owner, model: request.edit.model, tasks: tasksNeeded(request.edit) },
        'job.accepted',
      )
    return created
  }

  /** Waits for the submits as long as the answer may, and keeps what is answered for those who ask again. */
  async function answerTo(order: Order, deadlineAt: number): Promise<Accepted> {
    // What was not claimed by now has to wait for a place or for a pause to end, and its answer does not wait for it.
    const job = await deps.watch.watch(order.jobId, isSettled, deadlineAt)
    if (job === null) throw new ServiceError('not_found', 'the job was deleted while it was being submitted')
    if (order.idempotencyKey !== null) await keepAnswer(order.owner, order.idempotencyKey, job)
    return acceptedAs(job, false)
  }

  /** The job is there and submitted, whether or not this can be kept; without it, who asks again gets the job as it is then. */
  async function keepAnswer(owner: string, key: string, job: JobRecord): Promise<void> {
    try {
      await store.saveAnswer({ owner, key, job })
    } catch (error) {
      deps.log.warn({ err: error, job: job.id }, 'answer.not_kept')
    }
  }

  /** The first request's answer again. */
  async function replay(order: Order, jobId: string): Promise<Accepted> {
    const first = await (underWay.get(jobId) ?? null)
    if (first !== null) return { ...first, replayed: true }
    const row = order.idempotencyKey === null ? null : await store.idempotencyKey(order.owner, order.idempotencyKey)
    const job = row?.answer ?? (await store.job(jobId))
    if (job === null)
      throw new ServiceError('conflict', 'the job of this Idempotency-Key was deleted', { param: 'Idempotency-Key' })
    return acceptedAs(job, true)
  }

  /** Runs `work`, and leaves no file behind where the job did not come to be. */
  async function orNothing(order: Order, work: () => Promise<Accepted>): Promise<Accepted> {
    try {
      const accepted = await work()
      if (accepted.job.id !== order.jobId) await blobs.removeJob(order.jobId)
      return accepted
    } catch (error) {
      // A commit that failed on its way to the disk may be there after a restart: its pictures stay, and the sweep decides.
      const unknown = error instanceof ServiceError && error.code === 'unavailable'
      if (!unknown && (await store.job(order.jobId)) === null) await blobs.removeJob(order.jobId)
      throw error
    }
  }

  return {
    accept: (order, read) => orNothing(order, async () => take(order, await read(), null)),
    retry(order, job) {
      if (job.status !== 'failed' && job.status !== 'expired' && job.status !== 'canceled')
        throw new ServiceError('conflict', `only a failed, expired or canceled job can be retried; this one is ${job.status}`)
      return orNothing(order, async () => {
        for (const { file } of job.inputs) if (file !== null) await blobs.link(job.id, file, order.jobId)
        return take(order, requestOf(job), job.id)
      })
    },
  }
}

/** Known only when all pictures that go as files are here. */
function withSizeWarning(request: JobRequest): JobRequest {
  const warning = sizeWarning(request.edit)
  return warning === null || request.warnings.includes(warning)
    ? request
    : { ...request, warnings: [...request.warnings, warning] }
}

/** A retry is another request than the one that it repeats, though it asks for the same. */
function printOf(request: JobRequest, retryOf: string | null): string {
  const print = fingerprint(request)
  return retryOf === null ? print : createHash('sha256').update(`${print} retry of ${retryOf}`).digest('hex')
}

function checkSame(theirs: string, ours: string): void {
  if (theirs !== ours)
    throw new ServiceError('idempotency_mismatch', 'this Idempotency-Key was used for another request: use a new one', {
      param: 'Idempotency-Key',
    })
}

/** Nothing of the job is on its way to the provider: each task was answered, given up on, or has to wait. */
function isSettled(job: JobRecord): boolean {
  return job.tasks.every(task => task.status !== 'submitting')
}

/** The request that a job was made of. */
function requestOf(job: JobRecord): JobRequest {
  const inputs = job.inputs.map((input): Input => {
    const { role, url, file, contentType, sizeBytes, sha256, width, height } = input
    const stored =
      file === null || sizeBytes === null || sha256 === null
        ? null
        : { name: file, sizeBytes, sha256, contentType: contentType ?? '', width, height }
    return { role, url, file: stored }
  })
  const { model, prompt, params, n, warnings, metadata, webhookUrl, webhookEvents, clientCallback } = job
  const timeoutS = Math.round((job.expiresAt - job.createdAt) / 1_000)
  return {
    edit: { model, prompt, inputs, params, n },
    warnings,
    metadata,
    webhookUrl,
    webhookEvents,
    timeoutS,
    isTimeoutGiven: true,
    ...(clientCallback === null ? {} : { clientCallback }),
  }
}
