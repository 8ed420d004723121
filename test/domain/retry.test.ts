import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  copyRetryAt,
  deliveryRetryAt,
  isLastCopy,
  lateWindowMs,
  maxServerErrors,
  parseRetryAfter,
  pollRetryAt,
  submitRetryAt,
} from '../../src/domain/retry.ts'

const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const attempts = fc.integer({ min: 1, max: 10_000 })
const now = 1_000_000

describe('a submit that was not accepted', () => {
  test.each([
    [1, 2_000],
    [2, 4_000],
    [3, 8_000],
    [6, 64_000],
    [7, 120_000],
    [1_000, 120_000],
  ])('is tried again, after attempt %i, in %i ms give or take a fifth', (attempt, wait) => {
    expect(submitRetryAt(attempt, null, now, 0)).toBe(now + wait * 0.8)
    expect(submitRetryAt(attempt, null, now, 0.5)).toBe(now + wait)
    expect(submitRetryAt(attempt, null, now, 0.999_999)).toBeCloseTo(now + wait * 1.2, -1)
  })

  test('never before the provider asks for', () => {
    expect(submitRetryAt(1, 30_000, now, 0.9)).toBe(now + 30_000)
    expect(submitRetryAt(7, 30_000, now, 0.5)).toBe(now + 120_000)
    expect(submitRetryAt(1, 0, now, 0.5)).toBe(now + 2_000)
  })

  test('is tried six times in all where the provider answers 500', () => {
    expect(maxServerErrors).toBe(6)
  })

  test('waits a whole number of milliseconds, in the future', () => {
    fc.assert(
      fc.property(attempts, fc.option(fc.nat(86_400_000)), chance, (attempt, retryAfterMs, luck) => {
        const at = submitRetryAt(attempt, retryAfterMs, now, luck)
        expect(Number.isSafeInteger(at)).toBe(true)
        expect(at - now).toBeGreaterThanOrEqual(Math.max(1_600, retryAfterMs ?? 0))
        expect(at - now).toBeLessThanOrEqual(Math.max(144_000, retryAfterMs ?? 0))
      }),
    )
  })
})

describe('a copy that did not succeed', () => {
  const dayMs = 86_400_000
  const arrivedAt = now - 60_000

  test.each([
    [1, 1_000],
    [2, 2_000],
    [3, 4_000],
    [12, 2_048_000],
    [13, 3_600_000],
    [100_000, 3_600_000],
  ])('is tried again, after try %i, in %i ms give or take a fifth', (tries, wait) => {
    expect(copyRetryAt(tries, arrivedAt, now, 0)).toBe(now + wait * 0.8)
    expect(copyRetryAt(tries, arrivedAt, now, 0.5)).toBe(now + wait)
    expect(copyRetryAt(tries, arrivedAt, now, 1)).toBe(now + wait * 1.2)
  })

  test.each([0, 0.5, 0.999])('is tried for a day, the last time when that is over, and then no more (chance %f)', luck => {
    let at: number | null = arrivedAt
    let last = arrivedAt
    for (let tries = 1; at !== null; tries += 1) {
      last = at
      expect(isLastCopy(tries, arrivedAt, at)).toBe(at >= arrivedAt + dayMs)
      at = copyRetryAt(tries, arrivedAt, at, luck)
      expect(tries).toBeLessThan(100)
    }
    expect(last).toBe(arrivedAt + dayMs)
  })

  test('is tried for more than an hour even if its day went by while nobody could try', () => {
    const back = arrivedAt + 10 * dayMs
    let at: number | null = back
    let last = back
    for (let tries = 1; at !== null; tries += 1) {
      last = at
      at = copyRetryAt(tries, arrivedAt, at, 0)
    }
    expect(last - back).toBeGreaterThan(1_600_000)
    expect(last - back).toBeLessThan(dayMs)
  })
})

describe('a task that is asked for', () => {
  test.each([
    [0, 30_000],
    [1, 45_000],
    [2, 67_500],
    [6, 300_000],
    [1_000_000, 300_000],
  ])('is asked for again, after %i polls, in %i ms', (polls, wait) => {
    expect(pollRetryAt(polls, 30_000, now)).toBe(now + wait)
  })

  test('is never asked for more often than the setting says, even where that is longer than the longest wait', () => {
    fc.assert(
      fc.property(fc.nat(100_000), fc.integer({ min: 1_000, max: 86_400_000 }), (polls, everyMs) => {
        const wait = pollRetryAt(polls, everyMs, now) - now
        expect(wait).toBeGreaterThanOrEqual(everyMs)
        expect(wait).toBeLessThanOrEqual(Math.max(300_000, everyMs))
        expect(Number.isSafeInteger(wait)).toBe(true)
      }),
    )
  })

  test('is looked for until an hour past its deadline', () => {
    expect(lateWindowMs).toBe(3_600_000)
  })
})

describe('a delivery that was not taken', () => {
  const waitsS = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]

  test('is tried again after the waits that are documented, give or take a fifth, and then no more', () => {
    for (const [index, wait] of waitsS.entries()) {
      expect(deliveryRetryAt(index + 1, null, now, 0)).toBe(now + wait * 800)
      expect(deliveryRetryAt(index + 1, null, now, 0.5)).toBe(now + wait * 1_000)
      expect(deliveryRetryAt(index + 1, null, now, 0.999_999)).toBeLessThanOrEqual(now + wait * 1_200)
    }
    expect(deliveryRetryAt(waitsS.length + 1, null, now, 0.5)).toBeNull()
  })

  test('waits as long as the receiver asks for, up to the double of its own wait', () => {
    expect(deliveryRetryAt(1, 8_000, now, 0.5)).toBe(now + 8_000)
    expect(deliveryRetryAt(1, 3_600_000, now, 0.5)).toBe(now + 10_000)
    expect(deliveryRetryAt(1, 1_000, now, 0.5)).toBe(now + 5_000)
  })
})

describe('Retry-After', () => {
  const at = Date.UTC(2026, 0, 15, 12)
  test.each<[unknown, number | null]>([
    ['0', 0],
    ['7', 7_000],
    [' 7 ', 7_000],
    ['1.5', 1_500],
    ['Thu, 15 Jan 2026 12:00:30 GMT', 30_000],
    ['Thu, 15 Jan 2026 11:00:00 GMT', 0],
    ['soon', null],
    ['', null],
    [undefined, null],
    [['7', '8'], null],
    [7, null],
  ])('%j is %j ms from now', (header, expected) => {
    expect(parseRetryAfter(header, at)).toBe(expected)
  })
})
