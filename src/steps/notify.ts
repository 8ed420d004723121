import { noticeBody } from '../domain/notice.ts'
import type { Clock, Log, Meter } from '../domain/ports.ts'
import type { DueDelivery, JobRecord } from '../domain/records.ts'
import { deliveryLeaseMs, deliveryRetryAt, parseRetryAfter } from '../domain/retry.ts'
import type { JobStore } from '../domain/store.ts'
import { jobView, type Links } from '../domain/view.ts'
import type { DeliveryBody, Sender, Sent } from '../webhook/send.ts'
import { type Loop, type Next, startLoop } from './loop.ts'
import { isCopyingOver, type ResultBodies } from './result-body.ts'

export type NotifyDeps = {
  store: JobStore
  sender: Sender
  clock: Clock
  log: Log
  meter: Meter
  chance: () => number
  links: Links
  bodies: ResultBodies
  /** The name of this process in what it claims: so what it is sending is told from what one that died was. */
  by: string
}

export type NotifyStep = Pick<Loop, 'wake'> & {
  /** Begins no further delivery, waits for those under way until the signal fires, and then breaks them off. */
  close(signal: AbortSignal): Promise<void>
}

const deliveriesAtOnce = 32
const copyWaitMs = 1_000
const longestCopyWaitMs = 600_000
/** One receiver that is dead holds up nobody but its own. */
const deliveriesPerHost = 4

/** Sends what the outbox holds, each until it is delivered or given up. */
export function startNotify(deps: NotifyDeps): NotifyStep {
  const { store, clock, log, by } = deps
  const underWay = new Set<Promise<void>>()
  const perHost = new Map<string, number>()
  let stopping = false

  async function pass(): Promise<Next> {
    const now = clock.now()
    const nextAt = await store.nextDeliveryAt()
    if (nextAt === null || nextAt > now) return nextAt
    const room = deliveriesAtOnce - underWay.size
    if (room <= 0) return null // the end of one wakes the next
    const busyHosts = [...perHost].filter(([, count]) => count >= deliveriesPerHost).map(([host]) => host)
    // One at a time: several of one claim might all be for the same host.
    const claimed = await store.claimDeliveries({ by, now, until: now + deliveryLeaseMs, limit: 1, busyHosts })
    for (const delivery of claimed) start(delivery)
    return claimed.length === 0 ? null : 'now'
  }

  function start(delivery: DueDelivery): void {
    perHost.set(delivery.host, (perHost.get(delivery.host) ?? 0) + 1)
    const run = deliver(delivery)
      .catch((error: unknown) => log.error({ err: error, job: delivery.jobId, delivery: delivery.id }, 'delivery.broke'))
      .finally(() => {
        underWay.delete(run)
        const left = (perHost.get(delivery.host) ?? 1) - 1
        if (left === 0) perHost.delete(delivery.host)
        else perHost.set(delivery.host, left)
        loop.wake()
      })
    underWay.add(run)
  }

  async function deliver(delivery: DueDelivery): Promise<void> {
    const job = await store.job(delivery.jobId)
    if (job === null) return
    if (delivery.kind === 'callback' && mustWait(job))
      return store.deliveryPostponed({ id: delivery.id, dueAt: clock.now() + copyWaitMs })
    const at = clock.now()
    const sent = await deps.sender.send({ id: delivery.id, url: delivery.url, body: bodyOf(delivery, job), now: at })
    // Broken off by our own end: it is sent again when we are back.
    if (stopping && sent.status === null) return store.deliveryPostponed({ id: delivery.id, dueAt: at })
    const now = clock.now()
    const { status, dueAt } = whatNext(delivery, sent, now)
    const attempt = { at, status: sent.status, durationMs: now - at, answer: sent.answer }
    await store.deliveryAttempted({ id: delivery.id, attempt, status, dueAt })
    deps.meter.deliveryAttempted(status === 'pending' ? 'failed' : status === 'failed' ? 'given_up' : 'delivered')
    const about = {
      job: job.id,
      delivery: delivery.id,
      type: delivery.type,
      http: sent.status,
      ms: now - at,
      attempt: delivery.attempts + 1,
    }
    if (status === 'delivered') log.info(about, 'delivery.delivered')
    else log.warn({ ...about, given_up: status === 'failed' }, 'delivery.failed')
  }

  /** A result is sent with its pictures' bytes: they are waited for while they may still come. */
  function mustWait(job: JobRecord): boolean {
    return job.status === 'succeeded' && !isCopyingOver(job) && clock.now() < (job.completedAt ?? 0) + longestCopyWaitMs
  }

  function bodyOf(delivery: DueDelivery, job: JobRecord): DeliveryBody {
    if (delivery.kind === 'callback') return deps.bodies.nested(job, job.clientCallback?.base64 === true)
    const bytes = Buffer.from(noticeBody(delivery.type, delivery.createdAt, jobView(job, deps.links)))
    return {
      sizeBytes: bytes.length,
      chunks: async function* () {
        yield bytes
      },
    }
  }

  function whatNext(
    delivery: DueDelivery,
    sent: Sent,
    now: number,
  ): { status: 'pending' | 'delivered' | 'failed'; dueAt: number | null } {
    if (sent.status !== null && sent.status >= 200 && sent.status < 300) return { status: 'delivered', dueAt: null }
    // Gone for good, or an address that we never send to.
    if (sent.status === 410 || sent.refused) return { status: 'failed', dueAt: null }
    const dueAt = deliveryRetryAt(delivery.attempts + 1, parseRetryAfter(sent.retryAfter, now), now, deps.chance())
    return { status: dueAt === null ? 'failed' : 'pending', dueAt }
  }

  const loop = startLoop('notify', pass, { clock, log })
  // A job that changed may have something to tell.
  const unsubscribe = store.onChange(() => loop.wake())
  return {
    wake: () => loop.wake(),
    async close(signal) {
      unsubscribe()
      await loop.close()
      const over = new Promise<void>(resolve => {
        if (signal.aborted) resolve()
        else signal.addEventListener('abort', () => resolve(), { once: true })
      })
      await Promise.race([Promise.all(underWay), over])
      stopping = true
      await deps.sender.close()
      await Promise.all(underWay)
    },
  }
}
