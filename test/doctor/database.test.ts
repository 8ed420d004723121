import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { examineDatabase } from '../../src/doctor/database.ts'
import { isFolderLocked, lockFolder } from '../../src/store/lock.ts'
import { migrate, readMigrations } from '../../src/store/migrate.ts'
import { openDatabase } from '../../src/store/open.ts'
import { testFolder } from '../support/folder.ts'

const migrations = join(import.meta.dirname, '..', '..', 'migrations', 'sqlite')
const look = (dataDir: string, thorough = false) => examineDatabase(dataDir, { migrations, isRunning: false, thorough })

/** A folder with a database as a service leaves it. */
async function madeDatabase(
  change: (database: Database.Database) => void = () => {},
): Promise<{ dataDir: string; path: string }> {
  const dataDir = await testFolder()
  const path = join(dataDir, 'darkroom.db')
  const database = openDatabase(path, 'writer')
  migrate(database, readMigrations(migrations))
  change(database)
  database.close()
  return { dataDir, path }
}

test('a sound database of this version is ok', async () => {
  const { dataDir } = await madeDatabase()
  expect(await look(dataDir)).toMatchObject({ level: 'ok', seen: expect.stringMatching(/quick_check is ok/) })
  expect(await look(dataDir, true)).toMatchObject({ level: 'ok', seen: expect.stringMatching(/integrity_check is ok/) })
})

test('one that a newer program wrote is a failure, an older one is brought up to date by the next start', async () => {
  const newer = await madeDatabase(database => database.pragma('user_version = 999'))
  expect(await look(newer.dataDir)).toMatchObject({ level: 'fail', seen: expect.stringContaining('999') })
  const older = await madeDatabase(database => database.pragma('user_version = 0'))
  expect(await look(older.dataDir)).toMatchObject({
    level: 'ok',
    seen: expect.stringContaining('the next start brings it to version'),
  })
})

test('what is no database, or a damaged one, is a failure', async () => {
  const none = await testFolder()
  await writeFile(join(none, 'darkroom.db'), 'no database at all'.repeat(1_000))
  expect(await look(none)).toMatchObject({ level: 'fail', seen: 'damaged (SQLITE_NOTADB)' })
  const { dataDir } = await madeDatabase(database => {
    database.exec('create table t (a, b); create index t_a on t (a); insert into t values (1, 2)')
    database.unsafeMode()
    database.pragma('writable_schema = ON')
    database.exec("update sqlite_schema set rootpage = (select rootpage from sqlite_schema where name = 't') where name = 't_a'")
  })
  expect(await look(dataDir)).toMatchObject({ level: 'fail', seen: expect.stringMatching(/^damaged/) })
})

test('a large one is only checked where that is asked for', async () => {
  const { dataDir, path } = await madeDatabase()
  // A hole at its end takes no room on the disk.
  await truncate(path, 2 ** 30 + 4_096)
  expect(await look(dataDir)).toMatchObject({
    level: 'ok',
    seen: expect.stringContaining('not checked'),
    toDo: expect.stringContaining('--thorough'),
  })
})

test('a long log is a warning', async () => {
  const { dataDir, path } = await madeDatabase()
  await writeFile(`${path}-wal`, '')
  await truncate(`${path}-wal`, 2 ** 28 + 1)
  expect(await look(dataDir)).toMatchObject({ level: 'warn', seen: expect.stringContaining('256 MB of log') })
})

test('whether a process has the folder is seen without taking it', async () => {
  const path = join(await testFolder(), 'lock')
  expect(isFolderLocked(path)).toBe(false)
  const lock = lockFolder(path)
  expect(isFolderLocked(path)).toBe(true)
  lock.release()
  expect(isFolderLocked(path)).toBe(false)
  lockFolder(path).release()
})
