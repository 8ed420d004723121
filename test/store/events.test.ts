import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { batchRunner } from '../../src/store/batch.ts'
import { migrate } from '../../src/store/migrate.ts'
import { openDatabase } from '../../src/store/open.ts'
import { ownerEventsSql } from '../../src/store/outbox.ts'
import { makeReads } from '../../src/store/sqlite.ts'
import { testFolder } from '../support/folder.ts'
import { migrations, newJob } from '../support/jobs.ts'

test('an owner’s events are found among those of others, and over the gap that a restore leaves in their ids', async () => {
  const database = openDatabase(join(await testFolder(), 'darkroom.db'), 'writer')
  onTestFinished(() => void database.close())
  migrate(database, migrations)
  const run = batchRunner(database)
  const create = (owner: string): void => void run([{ id: 1, name: 'createJob', args: newJob({ owner }) }])
  create('shop')
  run(Array.from({ length: 20 }, (_, id) => ({ id, name: 'createJob', args: newJob({ owner: 'other' }) })))
  create('shop')
  database.exec("update sqlite_sequence set seq = 1800000000000 where name = 'events'")
  create('shop')
  const store = makeReads(database)
  const found = await store.eventsAfter('shop', 0, 10)
  expect(found.map(event => event.id)).toEqual([1, 22, 1_800_000_000_001])
  expect((await store.eventsAfter('shop', 1, 1)).map(event => event.id)).toEqual([22])
  expect(await store.eventsAfter('shop', 1_800_000_000_001, 10)).toEqual([])
})

test('an owner’s events are read off an index, so that it makes no difference how many others have', async () => {
  const database = openDatabase(join(await testFolder(), 'darkroom.db'), 'writer')
  onTestFinished(() => void database.close())
  migrate(database, migrations)
  const plan = database
    .prepare<object, { detail: string }>(`explain query plan ${ownerEventsSql}`)
    .all({ owner: 'shop', after: 0, limit: 10 })
  expect(plan.map(({ detail }) => detail)).toEqual(['SEARCH events USING INDEX events_by_owner (owner=? AND id>?)'])
})
