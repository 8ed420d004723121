import type { Clock, Log } from '../domain/ports.ts'
import type { JobStore } from '../domain/store.ts'
import { type Loop, type Next, startLoop } from './loop.ts'

export type SweepDeps = {
  store: JobStore
  clock: Clock
  log: Log
  /** The longest that a task waits for its first question, and how often it is asked for then. */
  firstPollMs: number
  pollEveryMs: number
}

export type SweepStep = Pick<Loop, 'wake' | 'close'>

/** Small steps, so that a request never waits long behind one. */
const expireAtOnce = 50
/** A clock that is kept right by a time server moves by less. */
const setBackMs = 1_000

/** Ends what is past its deadline, and sees to it that nothing waits for longer because the clock was set back. */
export function startSweep({ store, clock, log, firstPollMs, pollEveryMs }: SweepDeps): SweepStep {
  /** The latest time there has been, before this process too. */
  let latest: number | null = null

  async function lookAtClock(): Promise<void> {
    latest ??= (await store.lastEventAt()) ?? 0
    const now = clock.now()
    if (latest - now > setBackMs) {
      const waits = await store.clampWaits({ now, firstPollMs, pollEveryMs })
      log.warn({ seconds: Math.round((latest - now) / 1_000), waits }, 'clock.set_back')
      latest = now
    }
    latest = Math.max(latest, now)
  }

  async function pass(): Promise<Next> {
    await lookAtClock()
    const at = await store.nextExpiryAt()
    if (at === null || at > clock.now()) return at
    const expired = await store.expireDue({ now: clock.now(), limit: expireAtOnce })
    if (expired > 0) log.warn({ tasks: expired }, 'tasks.expired')
    return 'now'
  }
  return startLoop('sweep', pass, { clock, log })
}
