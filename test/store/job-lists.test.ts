import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { jobStatuses } from '../../src/domain/job.ts'
import type { JobFilter } from '../../src/domain/store.ts'
import { batchRunner } from '../../src/store/batch.ts'
import { keysSql } from '../../src/store/job-lists.ts'
import { migrate } from '../../src/store/migrate.ts'
import { openDatabase } from '../../src/store/open.ts'
import { makeReads } from '../../src/store/sqlite.ts'
import { testFolder } from '../support/folder.ts'
import { migrations, newJob } from '../support/jobs.ts'

async function openFresh() {
  const database = openDatabase(join(await testFolder(), 'darkroom.db'), 'writer')
  onTestFinished(() => void database.close())
  migrate(database, migrations)
  return database
}

const filters: JobFilter[] = [null, 'shop'].flatMap(owner =>
  [null, 'failed' as const, 'succeeded' as const].flatMap(status =>
    [null, 'dall-e-2'].flatMap(model =>
      [null, 'job_x'].flatMap(before =>
        [null, 5].map(createdFrom => ({ owner, status, model, before, createdFrom, limit: 20, offset: 0 })),
      ),
    ),
  ),
)

test('every list of jobs is read off an index, in its order', async () => {
  const database = await openFresh()
  for (const filter of filters) {
    const plan = database.prepare(`explain query plan ${keysSql(filter)}`).all({ ...filter, owner: 'shop' }) as {
      detail: string
    }[]
    const [step = { detail: '' }, ...more] = plan
    expect(more, JSON.stringify(filter)).toEqual([])
    expect(step.detail, JSON.stringify(filter)).toMatch(/^(SEARCH jobs USING|SCAN jobs USING) (COVERING )?INDEX /)
    if (filter.createdFrom === null && filter.model !== null && filter.status !== 'failed')
      expect(step.detail).toContain('jobs_by_owner_model')
    if (filter.createdFrom === null && filter.status === 'failed') expect(step.detail).toContain('jobs_by_owner_status')
  }
})

test('a list holds what its filter asks for, whoever the jobs belong to', async () => {
  const database = await openFresh()
  const store = makeReads(database)
  const owners = ['', 'shop', 'zoo']
  const models = ['gpt-image-2', 'dall-e-2']
  const jobs = Array.from({ length: 60 }, (_, index) => {
    const job = newJob({ owner: owners[index % 3] ?? '', now: 1_000 + Math.floor(index / 4) })
    return { ...job, request: { ...job.request, edit: { ...job.request.edit, model: models[index % 2] ?? '' } } }
  })
  const run = batchRunner(database)
  run(jobs.map((args, id) => ({ id, name: 'createJob', args })))
  for (const { id } of jobs.slice(0, 20)) run([{ id: 1, name: 'cancelJob', args: { jobId: id, now: 2_000 } }])
  const all = (await store.jobs({ owner: null, status: null, model: null, before: null, limit: 100 })).toSorted((a, b) =>
    a.id < b.id ? 1 : -1,
  )
  expect(all).toHaveLength(60)
  const orNull = <T>(values: readonly T[]) => fc.constantFrom(null, ...values)
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        owner: orNull(owners),
        status: orNull(jobStatuses),
        model: orNull(models),
        before: orNull(jobs.map(job => job.id)),
        createdFrom: orNull([1_003, 1_008]),
        createdTo: orNull([1_005, 1_012]),
        offset: fc.nat(12),
        limit: fc.integer({ min: 1, max: 30 }),
      }),
      async filter => {
        const wanted = all.filter(
          job =>
            (filter.owner === null || job.owner === filter.owner) &&
            (filter.status === null || job.status === filter.status) &&
            (filter.model === null || job.model === filter.model) &&
            (filter.before === null || job.id < filter.before) &&
            (filter.createdFrom === null || job.createdAt >= filter.createdFrom) &&
            (filter.createdTo === null || job.createdAt <= filter.createdTo),
        )
        expect(await store.countJobs(filter)).toBe(wanted.length)
        const timed = filter.createdFrom !== null || filter.createdTo !== null
        const order = timed ? wanted.toSorted((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1)) : wanted
        const page = order.slice(filter.offset, filter.offset + filter.limit).map(job => job.id)
        expect((await store.jobs(filter)).map(job => job.id)).toEqual(page)
      },
    ),
  )
})
