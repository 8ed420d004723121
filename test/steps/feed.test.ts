import { array, assert, asyncProperty, constantFrom, integer, record } from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import type { JobStore } from '../../src/domain/store.ts'
import { type Feed, type Reader, startFeed } from '../../src/steps/feed.ts'
import { testClock } from '../support/clock.ts'
import { newJob } from '../support/jobs.ts'
import { testLog } from '../support/service.ts'
import { testStore } from '../support/store.ts'

const links = { job: (id: string) => `/jobs/${id}`, image: () => '/image', input: () => '/input' }

type TestReader = Reader & { ids: number[]; texts: string[]; ended: boolean; until(holds: () => boolean): Promise<void> }

/** A reader that keeps what it is sent; `drained` as it is told. */
function reader(drained: () => Promise<void> = async () => {}): TestReader {
  let wake: (() => void)[] = []
  const ring = (): void => {
    for (const run of wake) run()
    wake = []
  }
  const one: TestReader = {
    ids: [],
    texts: [],
    ended: false,
    send(text) {
      one.texts.push(text)
      const [, id] = /^id: (\d+)\n/.exec(text) ?? []
      if (id !== undefined) one.ids.push(Number(id))
      ring()
      return true
    },
    drained,
    end() {
      one.ended = true
      ring()
    },
    async until(holds) {
      while (!holds()) await new Promise<void>(resolve => wake.push(resolve))
    },
  }
  return one
}

async function start(): Promise<{ store: JobStore; feed: Feed; clock: ReturnType<typeof testClock> }> {
  const store = await testStore()
  const clock = testClock()
  const feed = await startFeed({ store, clock, log: testLog(), links })
  onTestFinished(() => feed.close())
  return { store, feed, clock }
}

/** A job that is made and canceled: two events. */
async function make(store: JobStore, owner = ''): Promise<string> {
  const job = newJob({ owner })
  await store.createJob(job)
  await store.cancelJob({ jobId: job.id, now: job.now })
  return job.id
}

const idsAfter = async (store: JobStore, owner: string | null, after: number): Promise<number[]> =>
  (await store.eventsAfter(owner, after, 100_000)).map(event => event.id)

test('whenever a reader comes, and from wherever it goes on, it is told each event once and in order', async () => {
  const { store, feed } = await start()
  const step = record({
    writes: integer({ min: 0, max: 8 }),
    owner: constantFrom('a', 'b', null),
    back: integer({ min: 0, max: 300 }),
    turns: integer({ min: 0, max: 3 }),
  })
  await assert(
    asyncProperty(array(step, { minLength: 1, maxLength: 12 }), async steps => {
      const writes: Promise<unknown>[] = []
      const follows: Promise<{ one: TestReader; owner: string | null; after: number; stop: () => void }>[] = []
      for (const { writes: count, owner, back, turns } of steps) {
        for (let index = 0; index < count; index += 1) writes.push(make(store, index % 2 === 0 ? 'a' : 'b'))
        const one = reader()
        const after = Math.max(0, (await store.lastEventId()) - back)
        follows.push(feed.follow({ owner }, after, one).then(stop => ({ one, owner, after, stop })))
        for (let turn = 0; turn < turns; turn += 1) await new Promise(resolve => setImmediate(resolve))
      }
      await Promise.all(writes)
      for (const { one, owner, after, stop } of await Promise.all(follows)) {
        const wanted = await idsAfter(store, owner, after)
        await one.until(() => one.ids.length >= wanted.length)
        expect(one.ids).toEqual(wanted)
        stop()
      }
    }),
    { numRuns: 25 },
  )
})

test('a reader that comes from far back is sent no more at once than it takes, and holds up nobody', async () => {
  const { store, feed } = await start()
  for (let count = 0; count < 100; count += 1) await make(store)
  let release = (): void => {}
  const taken = new Promise<void>(resolve => {
    release = resolve
  })
  const slow = reader(() => taken)
  const following = feed.follow({ owner: null }, 0, slow)
  const quick = reader()
  await feed.follow({ owner: null }, null, quick)
  await make(store)
  await quick.until(() => quick.ids.length === 2)
  expect(slow.ids).toHaveLength(1)
  release()
  await following
  await slow.until(() => slow.ids.length === 202)
  expect(slow.ids).toEqual(await idsAfter(store, null, 0))
})

test('each event is made into text once, whoever reads it', async () => {
  const { store, feed } = await start()
  const readers = [reader(), reader(), reader()]
  const job = newJob()
  await store.createJob(job)
  for (const one of readers) await feed.follow({ owner: null }, null, one)
  let views = 0
  Object.defineProperty(links, 'job', { configurable: true, value: (id: string) => `/jobs/${id}/${(views += 1)}` })
  onTestFinished(() => void Object.defineProperty(links, 'job', { value: (id: string) => `/jobs/${id}` }))
  await store.cancelJob({ jobId: job.id, now: job.now })
  for (const one of readers) await one.until(() => one.ids.length === 1)
  expect(views).toBe(1)
})

test('who follows a job that is deleted is let go', async () => {
  const { store, feed } = await start()
  const jobId = await make(store)
  const other = newJob()
  await store.createJob(other)
  const last = await store.lastEventId()
  const stays = reader()
  await feed.follow({ jobId: other.id }, last, stays)
  const goes = reader()
  const gone = newJob()
  await store.createJob(gone)
  await feed.follow({ jobId: gone.id }, null, goes)
  // Both before the feed looks again: of its end nothing is left to be told.
  await Promise.all([store.cancelJob({ jobId: gone.id, now: gone.now }), store.deleteJob({ jobId: gone.id })])
  await goes.until(() => goes.ended)
  const late = reader()
  await store.deleteJob({ jobId })
  await feed.follow({ jobId }, 0, late)
  expect([late.ended, stays.ended]).toEqual([true, false])
})

test('an id that was never given out is not waited for', async () => {
  const { store, feed } = await start()
  const one = reader()
  await feed.follow({ owner: null }, 999_999, one)
  await make(store)
  await one.until(() => one.ids.length === 2)
})

test('every 15 s each reader hears that the line is open', async () => {
  const { feed, clock } = await start()
  const one = reader()
  await feed.follow({ owner: null }, null, one)
  const before = one.texts.length
  await clock.advance(14_999)
  expect(one.texts).toHaveLength(before)
  await clock.advance(1)
  await clock.advance(15_000)
  expect(one.texts.slice(before)).toEqual([':\n\n', ':\n\n'])
})

test('who comes while the service closes is let go', async () => {
  const { feed } = await start()
  const [before, after] = [reader(), reader()]
  await feed.follow({ owner: null }, null, before)
  await feed.close()
  await feed.follow({ owner: null }, null, after)
  expect([before.ended, after.ended, feed.readers()]).toEqual([true, true, 0])
})
