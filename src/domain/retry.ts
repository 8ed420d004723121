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

/** An unconfirmed task takes room at the provider this long. */
export const unconfirmedCountsMs = 300_000

const firstCopyWaitMs = 1_000
const longestCopyWaitMs = 3_600_000
/** A picture is paid for, and its URL outlives any usual outage. */
const copyWindowMs = 86_400_000
/** More than an hour of tries, for a picture whose day went by while we were down. */
const leastCopyTries = 12

/** Whether the `tries`th try to copy a picture, made now, is the last one. */
export function isLastCopy(tries: number, arrivedAt: number, now: number): boolean {
  return tries >= leastCopyTries && now >= arrivedAt + copyWindowMs
}

/**
 * When copying a picture is tried again after so many tries: after twice as long each time, 1 s to an hour, ±20 %, the last time
 * when a day has gone by since its result arrived; null: no more.
 */
export function copyRetryAt(tries: number, arrivedAt: number, now: number, chance: number): number | null {
  if (isLastCopy(tries, arrivedAt, now)) return null
  const wait = Math.min(longestCopyWaitMs, firstCopyWaitMs * 2 ** Math.min(tries - 1, 20))
  const at = Math.round(now + wait * (0.8 + 0.4 * chance))
  const endsAt = arrivedAt + copyWindowMs
  return now < endsAt ? Math.min(at, endsAt) : at
}

const longestPollWaitMs = 300_000

/** When a task is asked for again after so many times: backing off by half as much again each time, five minutes at most. */
export function pollRetryAt(polls: number, everyMs: number, now: number): number {
  return Math.round(now + Math.min(Math.max(longestPollWaitMs, everyMs), everyMs * 1.5 ** Math.min(polls, 20)))
}

/** How long an Idempotency-Key holds, from its first request on. */
export const idempotencyMs = 86_400_000

/** How long past its deadline a task that may be running is still asked for. */
export const lateWindowMs = 3_600_000

const minuteMs = 60_000
const hourMs = 60 * minuteMs
/** The waits between the attempts of a delivery, as Standard Webhooks recommends them; after the last it is given up. */
const deliveryWaitsMs = [
  5_000,
  5 * minuteMs,
  30 * minuteMs,
  2 * hourMs,
  5 * hourMs,
  10 * hourMs,
  14 * hourMs,
  20 * hourMs,
  24 * hourMs,
]

/**
 * When a delivery is tried again after so many attempts; null: no more. A wait that the receiver asks for is kept to, up to
 * twice our own.
 */
export function deliveryRetryAt(attempts: number, retryAfterMs: number | null, now: number, chance: number): number | null {
  const wait = deliveryWaitsMs[attempts - 1]
  if (wait === undefined) return null
  return Math.round(now + Math.max(wait * (0.8 + 0.4 * chance), Math.min(retryAfterMs ?? 0, 2 * wait)))
}

/** Longer than any attempt takes: what is not settled after it was lost with its process, and is sent again. */
export const deliveryLeaseMs = 120_000

/** Retry-After in either of its forms, as milliseconds from now; null where there is none. */
export function parseRetryAfter(header: unknown, now: number): number | null {
  if (typeof header !== 'string') return null
  if (/^\d{1,9}(\.\d+)?$/.test(header.trim())) return Math.round(Number(header) * 1_000)
  const at = Date.parse(header)
  return Number.isNaN(at) ? null : Math.max(0, at - now)
}
