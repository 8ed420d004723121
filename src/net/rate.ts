import type { Clock } from '../domain/ports.ts'

/** How long a window is, and what has to come in each of its seconds, 1 kB: as much as we ask of those who send to us. */
const windowMs = 10_000
const leastBytesPerWindow = 10 * 1_024
const lookEveryMs = 1_000

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
  let since = { at: clock.now(), bytes: 0 }
  let cancel = (): void => {}
  const look = (): void => {
    const now = clock.now()
    if (!isAwaited || bytes - since.bytes >= leastBytesPerWindow) since = { at: now, bytes }
    else if (now - since.at >= windowMs) return tooSlow()
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
