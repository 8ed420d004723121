import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { batchRunner, type WriteRequest } from '../../src/store/batch.ts'
import { type Migration, migrate, readMigrations } from '../../src/store/migrate.ts'
import { openDatabase } from '../../src/store/open.ts'
import { openStore } from '../../src/store/store.ts'
import { testFolder } from '../support/folder.ts'
import { migrations, migrationsFolder, newJob } from '../support/jobs.ts'

async function openFresh(): Promise<{ path: string; database: Database.Database }> {
  const path = join(await testFolder(), 'darkroom.db')
  const database = openDatabase(path, 'writer')
  onTestFinished(() => {
    database.close()
  })
  return { path, database }
}

const create = (id: number, changes = {}): WriteRequest => ({ id, name: 'createJob', args: newJob(changes) })

test('every open, the first and those that find a WAL, syncs each commit', async () => {
  const { path, database } = await openFresh()
  expect(database.pragma('synchronous', { simple: true })).toBe(2)
  migrate(database, migrations)
  for (const role of ['writer', 'reader'] as const) {
    const again = openDatabase(path, role)
    expect(again.pragma('synchronous', { simple: true })).toBe(2)
    expect(again.pragma('journal_mode', { simple: true })).toBe('wal')
    again.close()
  }
})

test('the connection that reads cannot write', async () => {
  const { path, database } = await openFresh()
  migrate(database, migrations)
  const reader = openDatabase(path, 'reader')
  expect(() => reader.exec("insert into turns (owner, last_turn) values ('x', 1)")).toThrow(/readonly/)
  reader.close()
})

test('migrations run once, in order', async () => {
  const { database } = await openFresh()
  const two: Migration[] = [
    { version: 1, name: '0001_a.sql', sql: 'create table a (x integer) strict' },
    { version: 2, name: '0002_b.sql', sql: 'alter table a add column y integer' },
  ]
  expect(migrate(database, two.slice(0, 1))).toEqual(['0001_a.sql'])
  expect(migrate(database, two)).toEqual(['0002_b.sql'])
  expect(migrate(database, two)).toEqual([])
  expect(database.pragma('user_version', { simple: true })).toBe(2)
})

test('a migration that fails leaves nothing of itself, and keeps those before it', async () => {
  const { database } = await openFresh()
  const bad: Migration[] = [
    { version: 1, name: '0001_a.sql', sql: 'create table a (x integer) strict' },
    { version: 2, name: '0002_b.sql', sql: 'create table b (x integer) strict; insert into nowhere values (1);' },
  ]
  expect(() => migrate(database, bad)).toThrow(/nowhere/)
  expect(database.pragma('user_version', { simple: true })).toBe(1)
  expect(database.prepare("select name from sqlite_schema where type = 'table'").pluck().all()).toEqual(['a'])
})

test('a database that a newer program wrote is refused', async () => {
  const { database } = await openFresh()
  database.pragma('user_version = 999')
  expect(() => migrate(database, migrations)).toThrow(/version 999.*newer/)
})

test('migrations with a gap in their numbers are refused', async () => {
  const folder = await testFolder()
  writeFileSync(join(folder, '0001_a.sql'), '')
  writeFileSync(join(folder, '0003_c.sql'), '')
  expect(() => readMigrations(folder)).toThrow(/0003_c.sql.*0002_/)
})

test('of writes that share a commit, a bad one fails alone', async () => {
  const { database } = await openFresh()
  migrate(database, migrations)
  const run = batchRunner(database)
  const good = create(1)
  const bad: WriteRequest = { id: 2, name: 'createJob', args: good.args }
  const batch = run([good, bad, create(3)])
  expect(batch.replies.map(reply => 'failure' in reply)).toEqual([false, true, false])
  expect(batch.fatal).toBeNull()
  expect(database.prepare('select count(*) from jobs').pluck().get()).toBe(2)
})

test('a write that fails half-way leaves nothing of itself', async () => {
  const { database } = await openFresh()
  migrate(database, migrations)
  const run = batchRunner(database)
  // The job's row and its inputs can be written; its second task cannot.
  database.exec("create trigger no_second before insert on tasks when new.position = 1 begin select raise(abort, 'no'); end")
  const batch = run([create(1, { tasks: 2 }), create(2)])
  expect(batch.replies.map(reply => 'failure' in reply)).toEqual([true, false])
  expect(batch.changed).toHaveLength(1)
  for (const table of ['jobs', 'tasks', 'inputs', 'events'])
    expect(database.prepare(`select count(*) from ${table}`).pluck().get()).toBe(1)
})

test('of a write that failed after it had changed something, no change is told', async () => {
  const { database } = await openFresh()
  migrate(database, migrations)
  const run = batchRunner(database)
  const job = newJob({ tasks: 2 })
  run([{ id: 1, name: 'createJob', args: job }])
  database.exec("create trigger no_second before update on tasks when new.position = 1 begin select raise(abort, 'no'); end")
  const batch = run([{ id: 2, name: 'cancelJob', args: { jobId: job.id, now: 1 } }])
  expect(batch).toMatchObject({ replies: [{ failure: { message: 'no' } }], changed: [] })
  expect(database.prepare('select distinct status from tasks').pluck().all()).toEqual(['queued'])
})

test('on a full disk every write of the batch is refused, none is half there, and it goes on when there is room', async () => {
  const { database } = await openFresh()
  migrate(database, migrations)
  const run = batchRunner(database)
  const pages = Number(database.pragma('page_count', { simple: true }))
  database.pragma(`max_page_count = ${pages + 2}`)
  const before = database.prepare('select count(*) from jobs').pluck().get()
  const batch = run(Array.from({ length: 400 }, (_, id) => create(id)))
  expect(batch.fatal).toBeNull()
  const refused = batch.replies.filter(reply => 'failure' in reply)
  expect(refused.length).toBeGreaterThan(0)
  for (const reply of refused) expect(reply).toMatchObject({ failure: { code: 'SQLITE_FULL' } })
  const kept = Number(database.prepare('select count(*) from jobs').pluck().get()) - Number(before)
  expect(kept).toBe(batch.replies.length - refused.length)
  database.pragma('max_page_count = 1000000')
  expect(run([create(100)]).replies).toMatchObject([{ value: { kind: 'created' } }])
})

test('what was acknowledged is there after the process was killed at once', async () => {
  const path = join(await testFolder(), 'darkroom.db')
  const options = { path, migrations: migrationsFolder, onFatal: () => {} }
  const store = await openStore(options)
  const jobs = Array.from({ length: 50 }, () => newJob())
  await Promise.all(jobs.map(job => store.createJob(job)))
  // Not closed: a second process sees what the first left behind.
  const later = await openStore(options)
  for (const job of jobs) expect(await later.job(job.id)).not.toBeNull()
  await later.close()
  await store.close()
})

test('writes after the close are refused and not forgotten', async () => {
  const path = join(await testFolder(), 'darkroom.db')
  const store = await openStore({ path, migrations: migrationsFolder, onFatal: () => {} })
  const job = newJob()
  const writing = store.createJob(job)
  await store.close()
  expect(await writing).toEqual({ kind: 'created' })
  await expect(store.createJob(newJob())).rejects.toMatchObject({ code: 'unavailable' })
})

test('the schema itself refuses states that the program must never reach', async () => {
  const { database } = await openFresh()
  migrate(database, migrations)
  batchRunner(database)([create(1)])
  const refuse = (sql: string): void => expect(() => database.exec(sql), sql).toThrow(/CHECK constraint failed/)
  refuse("update tasks set status = 'lost'")
  refuse("update tasks set status = 'submitted'")
  refuse("update tasks set status = 'succeeded', completed_at = 1")
  refuse('update tasks set completed_at = 1')
  refuse("update tasks set error = 'no json'")
  refuse("update jobs set status = 'failed'")
  refuse('update jobs set n = 11')
  refuse("update inputs set file = 'in-0'")
})
