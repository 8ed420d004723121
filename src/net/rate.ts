import type { Clock } from '../domain/ports.ts'

/** How long a window is, and what has to come in each of its seconds, 1 kB: of those who send to us, and of downloads. */
const windowMs = 10_000
const leastBytesPerWindow = 10 * 1_024
/** How often to look at what comes. */
export const lookEveryMs = 1_000

/** From when on a body is measured, in ms since 1970, and how many bytes of it had come by then. */
export type Progress = { at: number; bytes: number }

/**
 * What a body is measured from, seen again now; null: fewer than 1 kB/s of it came for 10 s.
 * @param isExcused it is kept waiting by whoever reads it: that time does not count.
 */
export function progressOf(since: Progress, now: number, bytes: number, isExcused: boolean): Progress | null {
  // A clock that was set back does not tell how much time has passed.
  if (isExcused || now < since.at || bytes - since.bytes >= leastBytesPerWindow) return { at: now, bytes }
  return now - since.at >= windowMs ? null : since
}

/**
 * The same bytes; `tooSlow` is called, once, when fewer than 1 kB/s of them came for 10 s. Time in which whoever reads them has
 * not come back for more does not count.
 */
export async function* atLeastRate(
  body: AsyncIterable<Uint8Array>,
  clock: Clock,
  tooSlow: () => void,
): AsyncGenerator<Uint8Array> {
  let bytes = 0
  let isAwaited = true
  let since: Progress = { at: clock.now(), bytes: 0 }
  let cancel = (): void => {}
  const look = (): void => {
    const progress = progressOf(since, clock.now(), bytes, !isAwaited)
    if (progress === null) return tooSlow()
    since = progress
    cancel = clock.after(lookEveryMs, look)
  }
  look()
  try {
    for await (const chunk of body) {
      bytes += chunk.byteLength
      isAwaited = false
      yield chunk
      isAwaited = true
    }
  } finally {
    cancel()
  }
}
