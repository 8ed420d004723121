import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { batchRunner } from '../../src/store/batch.ts'
import { figureQueries, figureReads } from '../../src/store/figures.ts'
import { migrate } from '../../src/store/migrate.ts'
import { openDatabase } from '../../src/store/open.ts'
import { snapshot } from '../../src/store/snapshot.ts'
import { testFolder } from '../support/folder.ts'
import { migrations, newJob } from '../support/jobs.ts'

async function openFresh() {
  const folder = await testFolder()
  const database = openDatabase(join(folder, 'darkroom.db'), 'writer')
  onTestFinished(() => void database.close())
  migrate(database, migrations)
  return { folder, database }
}

test.each(Object.entries(figureQueries))('the figure %s walks no table that grows with the jobs', async (_name, sql) => {
  const { database } = await openFresh()
  const plan = database.prepare(`explain query plan ${sql}`).all({ since: 0, now: 0 }) as { detail: string }[]
  const steps = plan.map(row => row.detail).filter(detail => /^(SCAN|SEARCH) (?!CONSTANT|\(subquery)/.test(detail))
  expect(steps.length).toBeGreaterThan(0)
  for (const step of steps)
    expect(step).toMatch(/^SCAN totals$|^(SCAN|SEARCH) (tasks|images|deliveries) USING (COVERING )?INDEX /)
  expect(plan.map(row => row.detail).filter(detail => /TEMP B-TREE/.test(detail))).toEqual([])
})

test('a write that is undone, alone or with its batch, is not counted', async () => {
  const { database } = await openFresh()
  const run = batchRunner(database)
  database.exec("create trigger no_second before insert on tasks when new.position = 1 begin select raise(abort, 'no'); end")
  const counts = (): unknown => figureReads(database)(0, 0).jobs
  run([{ id: 1, name: 'createJob', args: newJob({ tasks: 2 }) }])
  expect(counts()).toEqual([])
  run([1, 2].map(id => ({ id, name: 'createJob', args: newJob({ tasks: id }) })))
  expect(counts()).toEqual([{ model: 'gpt-image-2', status: 'queued', count: 1 }])
})

test('a restored backup counts its jobs as it holds them', async () => {
  const { folder, database } = await openFresh()
  batchRunner(database)([1, 2].map(id => ({ id, name: 'createJob', args: newJob() })))
  snapshot(database, join(folder, 'copy.db'), 1_000_000)
  const copy = openDatabase(join(folder, 'copy.db'), 'reader')
  onTestFinished(() => void copy.close())
  expect(figureReads(copy)(0, 0).jobs.filter(row => row.count > 0)).toEqual([
    { model: 'gpt-image-2', status: 'processing', count: 2 },
  ])
})
