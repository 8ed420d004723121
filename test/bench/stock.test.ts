import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { withDatabase } from '../../bench/rows/database.ts'
import { owner } from '../../bench/rows/identity.ts'
import { multiply } from '../../bench/rows/multiply.ts'
import { addEndedJobs, addRareJobs, rare } from '../../bench/rows/template.ts'
import type { JobRecord } from '../../src/domain/records.ts'
import { openStore } from '../../src/store/store.ts'
import { testFolder } from '../support/folder.ts'
import { migrationsFolder } from '../support/jobs.ts'

const perTemplate = 100
const copies = 3
const everyMs = 1_000_000
const from = 1_770_000_000_000

/** A store with copies of some jobs, as the bench stocks it. */
async function stocked() {
  const folder = await testFolder()
  const template = join(folder, 'template.db')
  const path = join(folder, 'stock.db')
  await withDatabase(template, database => addEndedJobs(database, perTemplate, from, everyMs))
  await withDatabase(path, database =>
    multiply(database, template, {
      copies,
      everyMs,
      before: (copy, shiftMs) => copy === 1 && addRareJobs(database, from + shiftMs),
    }),
  )
  const store = await openStore({ path, migrations: migrationsFolder, onFatal: () => {} })
  onTestFinished(() => store.close())
  const jobs: JobRecord[] = []
  for (let before: string | null = null; ; ) {
    const found = await store.jobs({ owner: null, status: null, model: null, before, limit: 100 })
    jobs.push(...found)
    before = found.at(-1)?.id ?? null
    if (before === null) return { store, jobs }
  }
}

test('copied jobs are jobs of their own: newer than those before, with ids, tasks and pictures that nobody else has', async () => {
  const { jobs } = await stocked()
  expect(jobs).toHaveLength(copies * perTemplate + rare.jobs)
  const distinct = (value: (job: JobRecord) => unknown): number => new Set(jobs.map(value)).size
  expect(distinct(job => job.id)).toBe(jobs.length)
  expect(distinct(job => job.fingerprint)).toBe(jobs.length)
  expect(distinct(job => job.tasks[0]?.id)).toBe(jobs.length)
  const providerIds = jobs.map(job => job.tasks[0]?.providerTaskId ?? null).filter(id => id !== null)
  expect(providerIds.length).toBeGreaterThan(copies * 90)
  expect(new Set(providerIds).size).toBe(providerIds.length)
  const times = jobs.map(job => job.createdAt)
  expect(times).toEqual(times.toSorted((a, b) => b - a))
})

test('all that belongs to a job comes along', async () => {
  const { store, jobs } = await stocked()
  const succeeded = jobs.filter(job => job.status === 'succeeded')
  expect(succeeded.length).toBe(copies * 93)
  for (const job of succeeded) {
    expect(job.images.map(image => image.taskId)).toEqual(job.tasks.map(task => task.id))
    expect(job.inputs).toHaveLength(1)
    expect(job.completedAt).toBeGreaterThan(job.createdAt)
  }
  const oldest = jobs.findLast(job => job.owner === owner && job.status === 'succeeded' && job.webhookUrl !== null)
  const newest = jobs.find(job => job.owner === owner && job.status === 'succeeded' && job.webhookUrl !== null)
  for (const job of [oldest, newest]) {
    expect(job).toBeDefined()
    const id = job?.id ?? ''
    expect((await store.eventsOf(id, 0, 10)).map(event => event.type)).toEqual(['job.queued', 'job.processing', 'job.succeeded'])
    expect((await store.callbacks(id)).map(callback => callback.outcome)).toEqual(['applied'])
    const deliveries = await store.deliveries(id)
    expect(deliveries.map(delivery => [delivery.status, delivery.attempts.length])).toEqual([['delivered', 1]])
  }
})

test('nothing of what was copied is left to do', async () => {
  const { store } = await stocked()
  const due = [store.nextQueuedAt(), store.nextExpiryAt(), store.nextPollAt(), store.nextCopyAt(), store.nextDeliveryAt()]
  expect(await Promise.all(due)).toEqual([null, null, null, null, null])
})
