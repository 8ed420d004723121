import { ServiceError } from '../domain/errors.ts'
import type { Clock, Log } from '../domain/ports.ts'
import { pause } from './pause.ts'

const waitMs = 1_000
/** A store that is only busy is not so for longer; more would be an error of ours that no repeating mends. */
const maxUnavailable = 60

/**
 * Writes what the outside world has told us and will not tell again. A full disk is waited out, so that no outcome is lost for
 * want of room, and a store that could not confirm a write is asked again: what is written here are moves of a task, which do
 * nothing the second time. Every other error is thrown, and each of them once the signal has fired.
 */
export async function persist<T>(write: () => Promise<T>, tools: { clock: Clock; log: Log; signal: AbortSignal }): Promise<T> {
  for (let unavailable = 0; ; ) {
    try {
      return await write()
    } catch (error) {
      const code = error instanceof ServiceError ? error.code : null
      if (code === 'unavailable') unavailable += 1
      const passes = code === 'storage_full' || (code === 'unavailable' && unavailable <= maxUnavailable)
      if (!passes || tools.signal.aborted) throw error
      tools.log.error({ err: error }, code === 'storage_full' ? 'store.full' : 'store.unavailable')
      await pause(waitMs, tools.clock, tools.signal)
    }
  }
}
