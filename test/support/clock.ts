import type { Clock } from '../../src/domain/ports.ts'

export type TestClock = Clock & {
  /** Moves the time forward, running what falls due on the way, in order. */
  advance(ms: number): Promise<void>
  /** Sets the time back, as somebody does who sets a clock: what waits for a timer waits no longer for it. */
  setBack(ms: number): void
  /** How many timers wait. */
  waiting(): number
}

/** A clock that stands still until it is moved. */
export function testClock(startAt = Date.UTC(2026, 0, 15, 12)): TestClock {
  let now = startAt
  let timers: { at: number; run: () => void }[] = []
  return {
    now: () => now,
    after(delayMs, run) {
      const timer = { at: now + delayMs, run }
      timers.push(timer)
      return () => {
        timers = timers.filter(one => one !== timer)
      }
    },
    async advance(ms) {
      const end = now + ms
      for (;;) {
        const [next] = timers.filter(timer => timer.at <= end).toSorted((a, b) => a.at - b.at)
        if (next === undefined) break
        timers = timers.filter(one => one !== next)
        now = Math.max(now, next.at)
        next.run()
        // What it started gets its turn before the next falls due.
        await new Promise(resolve => setImmediate(resolve))
      }
      now = end
    },
    setBack(ms) {
      now -= ms
      for (const timer of timers) timer.at -= ms
    },
    waiting: () => timers.length,
  }
}
