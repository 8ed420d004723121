import { randomUUID } from 'node:crypto'
import { unconfirmedCountsMs } from '../domain/retry.ts'
import { makeAccountGate } from './account.ts'
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

/** Claims tasks whose turn it is, and submits each at most once. */
export function startSubmit(deps: SubmitDeps): SubmitStep {
  const { store, clock, log } = deps
  // A process has a name of its own, so that its claims are told from those of one that died.
  const by = randomUUID()
  const underWay = new Set<Promise<void>>()
  const stopping = new AbortController()
  const gate = makeAccountGate(deps, () => loop.wake())
  const attempt = makeAttempt(deps, gate.heard, stopping.signal)

  async function pass(): Promise<Next> {
    const now = clock.now()
    const limit = gate.room(deps.maxInFlight)
    if (limit === 0) return gate.pausedUntil()
    const nextAt = await store.nextQueuedAt()
    if (nextAt === null || nextAt > now) return nextAt
    const until = now + uploadTimeoutMs + deps.submitTimeoutMs + 60_000
    const claimed = await store.claimTasks({ by, until, now, limit, maxInFlight: deps.maxInFlight, unconfirmedCountsMs })
    gate.passed(claimed.map(task => task.taskId))
    for (const task of claimed) {
      const run = attempt(task)
        .catch((error: unknown) => log.error({ err: error, job: task.jobId, task: task.taskId }, 'task.outcome_not_kept'))
        .finally(() => {
          underWay.delete(run)
          gate.ended(task.taskId)
        })
      underWay.add(run)
    }
    return claimed.length === 0 ? null : 'now'
  }

  const loop = startLoop('submit', pass, { clock, log })
  // A task that ends makes room for the next.
  const unsubscribe = store.onChange(() => loop.wake())
  return {
    wake: () => loop.wake(),
    pass: () => loop.pass(),
    pausedUntil: gate.pausedUntil,
    async close(signal) {
      unsubscribe()
      await loop.close()
      signal.addEventListener('abort', () => stopping.abort())
      if (signal.aborted) stopping.abort()
      await Promise.all(underWay)
    },
  }
}
