/** How often a submit that the provider answered with its own 500 is tried in all. */
export const maxServerErrors = 6

const firstWaitMs = 2_000
const longestWaitMs = 120_000

/**
 * When a submit that was certainly not accepted is tried again: twice as long each time, ±20 %, and never before the provider
 * asks for. `chance` is in [0, 1).
 * @returns milliseconds since 1970.
 */
export function submitRetryAt(attempts: number, retryAfterMs: number | null, now: number, chance: number): number {
  const wait = Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(attempts - 1, 10))
  const jittered = wait * (0.8 + 0.4 * chance)
  return Math.round(now + Math.max(jittered, retryAfterMs ?? 0))
}

const firstCopyWaitMs = 5_000
const maxCopyAttempts = 8

/** When copying a picture is tried again after so many tries; null: no more. */
export function copyRetryAt(attempts: number, now: number, chance: number): number | null {
  if (attempts >= maxCopyAttempts) return null
  return Math.round(now + firstCopyWaitMs * 2 ** (attempts - 1) * (0.8 + 0.4 * chance))
}

const longestPollWaitMs = 300_000

/** When a task is asked for again after so many times: backing off by half as much again each time, five minutes at most. */
export function pollRetryAt(polls: number, everyMs: number, now: number): number {
  return Math.round(now + Math.min(Math.max(longestPollWaitMs, everyMs), everyMs * 1.5 ** Math.min(polls, 20)))
}

/** How long past its deadline a task that may be running is still asked for. */
export const lateWindowMs = 3_600_000
