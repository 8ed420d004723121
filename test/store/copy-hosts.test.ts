import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { migrate } from '../../src/store/migrate.ts'
import { openDatabase } from '../../src/store/open.ts'
import { makeReads } from '../../src/store/sqlite.ts'
import { testFolder } from '../support/folder.ts'
import { migrations } from '../support/jobs.ts'

test('pictures that waited before hosts were told apart are copied too', async () => {
  const database = openDatabase(join(await testFolder(), 'darkroom.db'), 'writer')
  onTestFinished(() => void database.close())
  migrate(database, migrations.slice(0, 1))
  database.pragma('foreign_keys = off')
  const insert = database.prepare(`
    insert into images (job_id, position, task_id, late, provider_url, arrived_at, copy_at) values ('job_1', ?, 1, 0, ?, 5, 10)`)
  const urls = [
    'https://cdn.example.com:8443/a/b.png?c=//d',
    'http://cdn.example.com',
    'http:///odd.example/a.png',
    'https://e.example/',
  ]
  for (const [position, url] of urls.entries()) insert.run(position, url)
  migrate(database, migrations)
  const due = await makeReads(database).dueCopies(10, 10)
  expect(due.map(copy => [copy.host, copy.providerUrl])).toEqual([
    ['?', 'http:///odd.example/a.png'],
    ['cdn.example.com', 'http://cdn.example.com'],
    ['cdn.example.com:8443', 'https://cdn.example.com:8443/a/b.png?c=//d'],
    ['e.example', 'https://e.example/'],
  ])
})
