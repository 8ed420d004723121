import type { Clock, Log } from '../domain/ports.ts'
import type { JobStore } from '../domain/store.ts'
import { type Loop, type Next, startLoop } from './loop.ts'

export type SweepDeps = { store: JobStore; clock: Clock; log: Log }

export type SweepStep = Pick<Loop, 'wake' | 'close'>

/** Small steps, so that a request never waits long behind one. */
const expireAtOnce = 50

/** Ends what is past its deadline. */
export function startSweep({ store, clock, log }: SweepDeps): SweepStep {
  async function pass(): Promise<Next> {
    const at = await store.nextExpiryAt()
    if (at === null || at > clock.now()) return at
    const expired = await store.expireDue({ now: clock.now(), limit: expireAtOnce })
    if (expired > 0) log.warn({ tasks: expired }, 'tasks.expired')
    return 'now'
  }
  return startLoop('sweep', pass, { clock, log })
}
