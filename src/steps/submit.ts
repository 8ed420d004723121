import { unconfirmedCountsMs } from '../domain/retry.ts'
import { type Entry, makeAccountGate } from './account.ts'
import { type AttemptDeps, makeAttempt, uploadTimeoutMs } from './attempt.ts'
import { type Next, startLoop } from './loop.ts'

export type SubmitDeps = AttemptDeps & {
  maxInFlight: number
  /** The name of this process in what it claims: so its claims are told from those of one that died. */
  by: string
}

export type SubmitStep = {
  wake(): void
  /**
   * Does a write, and claims what it leaves behind: in the same commit, if the write is asked for in this turn of the event loop.
   * Gives what the write gives when all that could be claimed after it is claimed, and rejects only as it does.
   */
  claimAfter<T>(write: () => Promise<T>): Promise<T>
  /** Until when nothing is submitted because the provider refuses the account; null: not paused. */
  pausedUntil(): number | null
  /** Claims nothing more, and waits for answers that are under way until the signal fires. */
  close(signal: AbortSignal): Promise<void>
}

/** Longer than any submit takes. */
export function claimLeaseMs(submitTimeoutMs: number): number {
  return uploadTimeoutMs + submitTimeoutMs + 60_000
}

/** Claims tasks whose turn it is, and submits each at most once. */
export function startSubmit(deps: SubmitDeps): SubmitStep {
  const { store, clock, log, by } = deps
  const underWay = new Set<Promise<unknown>>()
  const stopping = new AbortController()
  let isClosing = false
  let soon: Promise<boolean> | null = null
  const gate = makeAccountGate(deps, () => loop.wake())
  const attempt = makeAttempt(deps, gate.heard, stopping.signal)

  /** Claims are asked for at once, before anything is awaited. @returns how many there were. */
  async function claim({ limit, admits }: Entry): Promise<number> {
    const now = clock.now()
    const until = now + claimLeaseMs(deps.submitTimeoutMs)
    const claimed = await store.claimTasks({ by, until, now, limit, maxInFlight: deps.maxInFlight, unconfirmedCountsMs })
    const mayLeave = admits(claimed.map(task => task.taskId))
    for (const task of claimed) {
      const { jobId: job, taskId } = task
      const done = attempt(task, mayLeave).catch((error: unknown) =>
        log.error({ err: error, job, task: taskId }, 'task.outcome_not_kept'),
      )
      track(done.finally(() => gate.ended(taskId)))
    }
    return claimed.length
  }

  function track(work: Promise<unknown>): void {
    const run = work.finally(() => underWay.delete(run))
    underWay.add(run)
  }

  async function pass(): Promise<Next> {
    const entry = gate.enter(deps.maxInFlight)
    if (entry === null) return gate.pausedUntil()
    const nextAt = await store.nextQueuedAt()
    if (nextAt === null || nextAt > clock.now()) return nextAt
    return (await claim(entry)) === 0 ? null : 'now'
  }

  /** One claim for all that is asked to be written in this turn. @returns whether there was one. */
  function claimSoon(): Promise<boolean> {
    soon ??= new Promise(resolve => {
      setImmediate(() => {
        soon = null
        const claiming = claimNow()
        track(claiming)
        resolve(claiming)
      })
    })
    return soon
  }

  async function claimNow(): Promise<boolean> {
    // Which one goes ahead after a refusal is for the passes to say: they come one after the other, so that it is one.
    const entry = isClosing || gate.isDoubtful() ? null : gate.enter(deps.maxInFlight)
    if (entry === null) return false
    try {
      await claim(entry)
      return true
    } catch {
      // A pass tries it again, and tells of it where that fails as well.
      return false
    }
  }

  const loop = startLoop('submit', pass, { clock, log })
  // A task that ends makes room for the next.
  const unsubscribe = store.onChange(() => loop.wake())
  return {
    wake: () => loop.wake(),
    async claimAfter(write) {
      // Before the write: what the store is asked for in one turn leaves at its end, and the claim is to be among it, behind.
      const claiming = claimSoon()
      const written = await write()
      if (!(await claiming)) await loop.pass()
      return written
    },
    pausedUntil: gate.pausedUntil,
    async close(signal) {
      isClosing = true
      unsubscribe()
      await loop.close()
      signal.addEventListener('abort', () => stopping.abort())
      if (signal.aborted) stopping.abort()
      // A claim that ends adds what it got.
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }
}
