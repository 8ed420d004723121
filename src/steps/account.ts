import type { Clock, Log } from '../domain/ports.ts'
import { errorOf, refusesAccount, type SubmitOutcome } from '../domain/provider.ts'

/**
 * Stands before all submitting. When the provider refuses the account, it closes for a minute; then one task goes ahead, and the
 * others follow when that one has shown that the account is taken again.
 */
export type AccountGate = {
  /** Until when nothing goes through; null: something may. */
  pausedUntil: () => number | null
  /** The account was refused, and no submit has shown since then that it is taken again. */
  isDoubtful: () => boolean
  /** Lets a claim of up to `all` tasks in; null: nothing goes through now. In doubt, claims come one after the other. */
  enter: (all: number) => Entry | null
  /** What became of the submit of a task. */
  heard: (taskId: number, outcome: SubmitOutcome) => void
  /** A task's submit is over, whatever was heard of it. */
  ended: (taskId: number) => void
}

/** One claim on its way through. */
export type Entry = {
  /** How many it may be of. */
  limit: number
  /** What the claim got. @returns whether it may be submitted: not where the account was refused while the claim was made. */
  admits: (taskIds: readonly number[]) => boolean
}

const pauseMs = 60_000

/** @param onOpen more may go through than before. */
export function makeAccountGate({ clock, log }: { clock: Clock; log: Log }, onOpen: () => void): AccountGate {
  let until: number | null = null
  let isDoubtful = false
  /** The task that went ahead. */
  let scout: number | null = null
  function pausedUntil(): number | null {
    const now = clock.now()
    if (until === null || until <= now) return null
    // No pause is longer, though the clock may have been set back since it began.
    until = Math.min(until, now + pauseMs)
    return until
  }

  function close(code: string): void {
    until = clock.now() + pauseMs
    isDoubtful = true
    log.error({ code, seconds: pauseMs / 1_000 }, 'submitting.paused')
  }

  function leave(): void {
    scout = null
    onOpen()
  }

  return {
    pausedUntil,
    isDoubtful: () => isDoubtful,
    enter(all) {
      if (pausedUntil() !== null || scout !== null) return null
      const isScout = isDoubtful
      return {
        limit: isScout ? 1 : all,
        admits(taskIds) {
          if (pausedUntil() !== null || isDoubtful !== isScout) return false
          if (isScout) scout = taskIds[0] ?? null
          return true
        },
      }
    },
    heard(taskId, outcome) {
      const error = errorOf(outcome)
      const status = outcome.kind === 'refused' ? outcome.status : (error?.status ?? 0)
      if (error !== null && refusesAccount(status, error.code)) return close(error.code)
      // What did not come to be looked at says nothing of the account: another one has to go ahead.
      if (taskId !== scout || outcome.kind === 'not_sent') return
      // Nor does silence; but nobody knows how long that lasts, so the next one goes ahead now.
      isDoubtful = outcome.kind === 'unconfirmed'
      leave()
    },
    ended(taskId) {
      if (taskId === scout) leave()
    },
  }
}
