import { expect, test } from 'vitest'
import { atLeastRate } from '../../src/net/rate.ts'
import { testClock } from '../support/clock.ts'

/** One byte, and then nothing more. */
async function* stalled(): AsyncGenerator<Uint8Array> {
  yield Uint8Array.of(1)
  await new Promise(() => {})
}

test('a download that stalls is given up after ten seconds, though the clock was set back meanwhile', async () => {
  const clock = testClock()
  let given = 0
  const body = atLeastRate(stalled(), clock, () => {
    given += 1
  })
  await body.next()
  void body.next()
  clock.setBack(3_600_000)
  await clock.advance(10_000)
  expect(given).toBe(0)
  await clock.advance(2_000)
  expect(given).toBe(1)
})
