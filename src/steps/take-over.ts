import { ServiceError } from '../domain/errors.ts'
import type { Clock, Log } from '../domain/ports.ts'
import type { JobStore } from '../domain/store.ts'
import { persist } from './persist.ts'

export type TakeOverDeps = {
  store: JobStore
  clock: Clock
  log: Log
  /** The name of this process in what it claims. */
  by: string
  /** Whether the provider may be asked for tasks. */
  asks: boolean
  /** Runs a write with whatever room can be made for it. */
  withRoom: (write: () => Promise<void>) => Promise<void>
}

/**
 * Takes over what a process left that had the data folder before: submits of which nobody knows what became of them, notices that
 * were being sent, and held connections that ended with it. Where the disk has no room for that, it resolves all the same and goes on until there is room, or the signal fires.
 */
export async function takeOver({ store, clock, log, by, asks, withRoom }: TakeOverDeps, signal: AbortSignal): Promise<void> {
  async function once(): Promise<void> {
    const now = clock.now()
    const tasks = await store.recoverClaims({ by, now, pollAt: asks ? now : null })
    if (tasks > 0) log.warn({ tasks }, 'submits.interrupted')
    await store.recoverDeliveries({ by, now })
    const connections = await store.recoverWaiters({ by, now })
    if (connections > 0) log.warn({ connections }, 'answers.interrupted')
  }
  try {
    await withRoom(once)
  } catch (error) {
    if (!(error instanceof ServiceError) || error.code !== 'storage_full') throw error
    // It is thrown again only when the service stops: the next start takes over then.
    persist(once, { clock, log, signal }).catch(() => {})
  }
}
