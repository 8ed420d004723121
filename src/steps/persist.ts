import { ServiceError } from '../domain/errors.ts'
import type { Clock, Log } from '../domain/ports.ts'

const waitMs = 1_000

/**
 * Writes what the outside world has told us and will not tell again. A full disk is waited out, so that no outcome is lost for
 * want of room; every other error is thrown.
 */
export async function persist<T>(write: () => Promise<T>, tools: { clock: Clock; log: Log; signal: AbortSignal }): Promise<T> {
  for (;;) {
    try {
      return await write()
    } catch (error) {
      if (!(error instanceof ServiceError) || error.code !== 'storage_full' || tools.signal.aborted) throw error
      tools.log.error({ err: error }, 'store.full')
      await new Promise<void>(resolve => {
        tools.clock.after(waitMs, resolve)
      })
    }
  }
}
