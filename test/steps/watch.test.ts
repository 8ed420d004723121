import { getEventListeners } from 'node:events'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { isFinal } from '../../src/domain/job.ts'
import type { JobRecord } from '../../src/domain/records.ts'
import type { JobStore } from '../../src/domain/store.ts'
import { makeWatch, type Watch } from '../../src/steps/watch.ts'
import { openStore } from '../../src/store/store.ts'
import { type TestClock, testClock } from '../support/clock.ts'
import { testFolder } from '../support/folder.ts'
import { migrationsFolder, newJob } from '../support/jobs.ts'

async function setUp(): Promise<{
  store: JobStore
  clock: TestClock
  watch: Watch
  jobId: string
  cancel: () => Promise<unknown>
}> {
  const path = join(await testFolder(), 'darkroom.db')
  const store = await openStore({ path, migrations: migrationsFolder, onFatal: () => {} })
  onTestFinished(() => store.close())
  const clock = testClock(1_000_000)
  const job = newJob()
  await store.createJob(job)
  const cancel = () => store.cancelJob({ jobId: job.id, now: clock.now() })
  return { store, clock, watch: makeWatch(store, clock), jobId: job.id, cancel }
}

const ended = (job: JobRecord): boolean => isFinal(job.status)
/** A change that has nothing to do with what is waited for. */
const submit = async (store: JobStore, now: number) =>
  store.claimTasks({ by: 'test', until: now + 1, now, maxInFlight: 9, unconfirmedCountsMs: 0 })

test('what holds already is not waited for', async () => {
  const { watch, jobId, clock } = await setUp()
  expect(await watch.watch(jobId, () => true, clock.now() + 1_000)).toMatchObject({ id: jobId })
  expect(await watch.watch('job_none', () => true, clock.now() + 1_000)).toBeNull()
  expect(clock.waiting()).toBe(0)
})

test('all who wait are told of the change, and nothing is left behind', async () => {
  const { store, watch, jobId, clock, cancel } = await setUp()
  const { signal } = new AbortController()
  const waiting = Array.from({ length: 5 }, () => watch.watch(jobId, ended, clock.now() + 90_000, signal))
  await submit(store, clock.now())
  expect(clock.waiting()).toBe(5)
  await cancel()
  expect((await Promise.all(waiting)).map(job => job?.status)).toEqual(Array.from({ length: 5 }, () => 'canceled'))
  expect(clock.waiting()).toBe(0)
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('at the deadline the job is given as it is', async () => {
  const { watch, jobId, clock } = await setUp()
  const waiting = watch.watch(jobId, ended, clock.now() + 10_000)
  await clock.advance(9_999)
  expect(clock.waiting()).toBe(1)
  await clock.advance(1)
  expect(await waiting).toMatchObject({ status: 'queued' })
  expect(await watch.watch(jobId, ended, clock.now())).toMatchObject({ status: 'queued' })
  expect(clock.waiting()).toBe(0)
})

test('who has gone is not waited for, be it before or meanwhile', async () => {
  const { watch, jobId, clock } = await setUp()
  const gone = new AbortController()
  const waiting = watch.watch(jobId, ended, clock.now() + 10_000, gone.signal)
  gone.abort()
  expect(await waiting).toMatchObject({ status: 'queued' })
  expect(await watch.watch(jobId, ended, clock.now() + 10_000, gone.signal)).toMatchObject({ status: 'queued' })
  expect(clock.waiting()).toBe(0)
  expect(getEventListeners(gone.signal, 'abort')).toEqual([])
})

test('closing ends all waiting, now and from then on', async () => {
  const { watch, jobId, clock } = await setUp()
  const waiting = watch.watch(jobId, ended, clock.now() + 10_000)
  watch.close()
  expect(await waiting).toMatchObject({ status: 'queued' })
  expect(await watch.watch(jobId, ended, clock.now() + 10_000)).toMatchObject({ status: 'queued' })
  expect(clock.waiting()).toBe(0)
})

test('a job that is deleted meanwhile is told as none', async () => {
  const { store, watch, jobId, clock, cancel } = await setUp()
  const waiting = watch.watch(jobId, job => job.status === 'succeeded', clock.now() + 10_000)
  await cancel()
  await store.deleteJob({ jobId })
  expect(await waiting).toBeNull()
})

test('a store that can’t be read leaves nothing behind either', async () => {
  const { store, clock, jobId } = await setUp()
  const watch = makeWatch(
    { job: () => Promise.reject(new Error('unreadable')), onChange: listener => store.onChange(listener) },
    clock,
  )
  await expect(watch.watch(jobId, ended, clock.now() + 10_000)).rejects.toThrow('unreadable')
  expect(clock.waiting()).toBe(0)
})
