import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { idMaker, isJobId } from '../../src/domain/ids.ts'

/** A maker of ids whose clock is set by hand. */
function makerAt(start: number) {
  const clock = { time: start }
  return { clock, make: idMaker({ now: () => clock.time, after: () => () => {} }) }
}

test('an id has its prefix and 28 digits of base 32', () => {
  const { make } = makerAt(Date.UTC(2026, 0, 15))
  expect(make('job')).toMatch(/^job_[0-9a-hjkmnp-tv-z]{28}$/)
  expect(make('msg')).toMatch(/^msg_/)
})

test('its first digits are the time and the count', () => {
  const { make } = makerAt(0x0123_4567_89ab)
  expect(make('job').slice(4, 16)).toBe(base32(0x0123_4567_89abn << 12n))
  expect(make('job').slice(4, 16)).toBe(base32((0x0123_4567_89abn << 12n) | 1n))
})

/** Crockford's base 32, by way of the one that is built in. */
function base32(value: bigint): string {
  const crockford = '0123456789abcdefghjkmnpqrstvwxyz'
  const digits = '0123456789abcdefghijklmnopqrstuv'
  return value
    .toString(32)
    .padStart(12, '0')
    .replaceAll(/./g, digit => crockford[digits.indexOf(digit)] ?? '')
}

test('ids sort in the order in which they were made, however the clock jumps', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -100_000, max: 100_000 }), { maxLength: 50 }), jumps => {
      const { clock, make } = makerAt(1_768_478_400_000)
      const ids = jumps.map(jump => {
        clock.time += jump
        return make('job')
      })
      expect(ids.toSorted()).toEqual(ids)
      expect(new Set(ids).size).toBe(ids.length)
    }),
  )
})

test('ids sort even where more are made in a millisecond than it counts', () => {
  const { make } = makerAt(1_768_478_400_000)
  const ids = Array.from({ length: 10_000 }, () => make('job'))
  expect(ids.toSorted()).toEqual(ids)
  expect(new Set(ids).size).toBe(ids.length)
})

test('ids of later processes sort after those of earlier ones', () => {
  const times = [1, 2 ** 40, 1_768_478_400_000, 1_768_478_400_001, 2 ** 41, 2 ** 48 - 1]
  const ids = times.map(time => makerAt(time).make('job'))
  expect(ids.toSorted()).toEqual(ids)
})

test('80 bits of an id are chance: those of two processes at the same time have nothing in common', () => {
  const tails = Array.from({ length: 1_000 }, () => makerAt(5).make('job').slice(16))
  expect(new Set(tails).size).toBe(tails.length)
  for (let place = 0; place < 16; place += 1) expect(new Set(tails.map(tail => tail[place])).size).toBe(32)
})

test.each([
  ['job_0123456789abcdefghjkmnpqrstv', true],
  ['job_0123456789abcdefghjkmnpqrst', false],
  ['job_0123456789abcdefghjkmnpqrstvw', false],
  ['job_0123456789abcdefghjkmnpqrsti', false],
  ['job_0123456789abcdefghjkmnpqrstl', false],
  ['job_0123456789abcdefghjkmnpqrsto', false],
  ['job_0123456789abcdefghjkmnpqrstu', false],
  ['job_0123456789ABCDEFGHJKMNPQRSTV', false],
  ['msg_0123456789abcdefghjkmnpqrstv', false],
  ['job_0123456789abcdefghjkmnpqrstv\n', false],
  [' job_0123456789abcdefghjkmnpqrstv', false],
  ['cb104e35-af1f-45be-9fac-b62e2b256753', false],
  ['', false],
])('%j is the id of a job: %s', (text, expected) => {
  expect(isJobId(text)).toBe(expected)
})

test('every id that is made is one that is known', () => {
  const { make } = makerAt(1_768_478_400_000)
  for (let count = 0; count < 100; count += 1) expect(isJobId(make('job'))).toBe(true)
})
