import { expect, test } from 'vitest'
import { ServiceError } from '../../src/domain/errors.ts'
import { type Next, startLoop } from '../../src/steps/loop.ts'
import { persist } from '../../src/steps/persist.ts'
import { testClock } from '../support/clock.ts'
import { testLog } from '../support/service.ts'

const turn = () => new Promise(resolve => setImmediate(resolve))

function counted(answer: (count: number) => Next | Promise<Next>) {
  const clock = testClock(0)
  const log = testLog()
  let passes = 0
  const loop = startLoop('test', async () => answer(++passes), { clock, log })
  return { clock, log, loop, passes: () => passes }
}

test('a loop looks at once, goes on as long as there is more, and then sleeps', async () => {
  const { passes } = counted(count => (count < 4 ? 'now' : null))
  await turn()
  expect(passes()).toBe(4)
  await turn()
  expect(passes()).toBe(4)
})

test('a wake-up that is missed costs five seconds at most', async () => {
  const { clock, passes } = counted(() => null)
  await turn()
  await clock.advance(4_999)
  expect(passes()).toBe(1)
  await clock.advance(1)
  expect(passes()).toBe(2)
})

test('it wakes when something is due, and not before', async () => {
  const { clock, passes } = counted(count => (count === 1 ? 1_500 : null))
  await turn()
  await clock.advance(1_499)
  expect(passes()).toBe(1)
  await clock.advance(1)
  expect(passes()).toBe(2)
})

test('an error in a pass is told and tried again, and holds nobody up', async () => {
  const { clock, log, loop, passes } = counted(count => {
    if (count <= 2) throw new Error('twice')
    return null
  })
  // The first began before it was asked for.
  await loop.pass()
  expect(passes()).toBe(2)
  expect(log.lines[0]).toMatchObject({ level: 'error', event: 'step.failed', fields: { step: 'test' } })
  await clock.advance(999)
  expect(passes()).toBe(2)
  await clock.advance(1)
  expect(passes()).toBe(3)
})

test('who asks for a pass gets one that began after asking, even while one is under way', async () => {
  const gates: (() => void)[] = []
  const { loop, passes } = counted(() => new Promise(resolve => gates.push(() => resolve(null))))
  let served = false
  const asked = loop.pass().then(() => {
    served = true
  })
  gates.shift()?.()
  await turn()
  expect([passes(), served]).toEqual([2, false])
  gates.shift()?.()
  await asked
  expect(passes()).toBe(2)
})

test('wake-ups that come together cost one pass, and one that comes during a pass is not lost', async () => {
  const gates: (() => void)[] = []
  const { loop, passes } = counted(() => new Promise(resolve => gates.push(() => resolve(null))))
  for (let count = 0; count < 5; count += 1) loop.wake()
  gates.shift()?.()
  await turn()
  expect(passes()).toBe(2)
  gates.shift()?.()
  await turn()
  expect(passes()).toBe(2)
})

test('closing waits for the pass under way, begins no other, and lets go who waits', async () => {
  const gates: (() => void)[] = []
  const { clock, loop, passes } = counted(() => new Promise(resolve => gates.push(() => resolve('now'))))
  const asked = loop.pass()
  let closed = false
  const closing = loop.close().then(() => {
    closed = true
  })
  await turn()
  expect(closed).toBe(false)
  gates.shift()?.()
  await Promise.all([closing, asked, loop.pass()])
  loop.wake()
  await clock.advance(60_000)
  expect(passes()).toBe(1)
  expect(clock.waiting()).toBe(0)
})

function failing(code: 'storage_full' | 'unavailable' | 'conflict', times: number) {
  const clock = testClock(0)
  const stop = new AbortController()
  let tries = 0
  const kept = persist(
    async () => {
      tries += 1
      if (tries <= times) throw new ServiceError(code, code)
      return 'kept'
    },
    { clock, log: testLog(), signal: stop.signal },
  )
  return { clock, stop, kept, tries: () => tries }
}

test.each(['storage_full', 'unavailable'] as const)('a write that fails with %s is tried again each second', async code => {
  const { clock, kept, tries } = failing(code, 3)
  for (let count = 1; count <= 3; count += 1) {
    await turn()
    expect(tries()).toBe(count)
    await clock.advance(1_000)
  }
  expect(await kept).toBe('kept')
})

test('a full disk is waited out however long it takes, a store that only fails is not', async () => {
  const full = failing('storage_full', 200)
  await turn()
  await full.clock.advance(300_000)
  expect(await full.kept).toBe('kept')
  const failed = failing('unavailable', 200)
  await turn()
  await Promise.all([failed.clock.advance(300_000), expect(failed.kept).rejects.toThrow('unavailable')])
  expect(failed.tries()).toBe(61)
})

test('any other error is thrown at once, and each of them when the service stops', async () => {
  const conflict = failing('conflict', 1)
  await expect(conflict.kept).rejects.toThrow('conflict')
  const full = failing('storage_full', 9)
  await turn()
  full.stop.abort()
  await expect(full.kept).rejects.toThrow('storage_full')
  expect(full.clock.waiting()).toBe(0)
})
