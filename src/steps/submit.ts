import { randomUUID } from 'node:crypto'
import { type AttemptDeps, makeAttempt, uploadTimeoutMs } from './attempt.ts'
import { type Next, startLoop } from './loop.ts'

export type SubmitDeps = AttemptDeps & { maxInFlight: number }

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
const pauseMs = 60_000

/** Claims tasks whose turn it is, and submits each at most once. */
export function startSubmit(deps: SubmitDeps): SubmitStep {
  const { store, clock, log } = deps
  // A process has a name of its own, so that its claims are told from those of one that died.
  const by = randomUUID()
  const underWay = new Set<Promise<void>>()
  const stopping = new AbortController()
  const attempt = makeAttempt(deps, pause, stopping.signal)
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
      const run = attempt(task)
        .catch((error: unknown) => log.error({ err: error, job: task.jobId, task: task.taskId }, 'task.outcome_not_kept'))
        .finally(() => underWay.delete(run))
      underWay.add(run)
    }
    return claimed.length === 0 ? null : 'now'
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
