/** Beyond this many the least recently seen is forgotten. */
const windowsKept = 50_000

type Window = { current: number; endsAtMs: number }
type Counted = { current: number; ttl: number }

/**
 * How often each key or address was seen in its window: what @fastify/rate-limit counts in. Its own store goes by the time of day,
 * and would shut everybody out for an hour after the clock was set back by one; here time is that of the process.
 */
export class RateWindows {
  readonly #windows = new Map<string, Window>()

  incr(key: string, done: (error: Error | null, counted?: Counted) => void, windowMs = 0): void {
    const now = performance.now()
    const seen = this.#windows.get(key)
    const window = seen !== undefined && seen.endsAtMs > now ? seen : { current: 0, endsAtMs: now + windowMs }
    window.current += 1
    this.#windows.delete(key)
    this.#windows.set(key, window)
    const [oldest] = this.#windows.size > windowsKept ? this.#windows.keys() : []
    if (oldest !== undefined) this.#windows.delete(oldest)
    done(null, { current: window.current, ttl: window.endsAtMs - now })
  }

  child(): RateWindows {
    return new RateWindows()
  }
}
