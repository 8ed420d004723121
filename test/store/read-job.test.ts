import { join } from 'node:path'
import type Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { migrate } from '../../src/store/migrate.ts'
import { openDatabase } from '../../src/store/open.ts'
import { jobReader, jobSql } from '../../src/store/read-job.ts'
import { testFolder } from '../support/folder.ts'
import { migrations } from '../support/jobs.ts'

type Row = Record<string, string | number | null>

function insert(database: Database.Database, table: string, row: Row): void {
  const names = Object.keys(row)
  database.prepare(`insert into ${table} (${names.join()}) values (${names.map(name => `@${name}`).join()})`).run(row)
}

/** A row with a value of its own in each column. */
const taskRow = (position: number): Row => ({
  id: 100 + position,
  job_id: 'job_1',
  owner: 'shop',
  position,
  status: 'failed',
  charge: 'made',
  attempts: 11 + position,
  server_errors: 12,
  due_at: 13,
  provider_task_id: `task-${position}`,
  trace_id: 'trace',
  source: 'poll',
  polls: 14,
  poll_at: 15,
  submitted_at: 16,
  completed_at: 17,
  late_result_at: 18,
  expires_at: 19,
  error: '{"code":"api_error","message":"no","traceId":null}',
  usage: '{"total_tokens":20}',
  cost_micro_credits: 26,
  record_type: 'images_edits',
})
const file = { content_type: 'image/png', size_bytes: 21, sha256: 'abc', width: 22, height: 23 }
const imageRow = (position: number): Row => ({
  job_id: 'job_1',
  position,
  task_id: 100,
  late: position % 2,
  provider_url: 'https://p.example/1',
  revised_prompt: 'bluer',
  ...file,
  file: `out-${position}.png`,
  created: 24,
  arrived_at: 25,
  copy_at: null,
  copy_error: 'answered 404',
})
const inputRow = (position: number): Row => ({
  job_id: 'job_1',
  position,
  role: position === 2 ? 'mask' : 'image',
  url: 'https://c.example/1',
  ...file,
  file: `in-${position}.png`,
})
const jobRow: Row = {
  id: 'job_1',
  owner: 'shop',
  status: 'failed',
  model: 'gpt-image-2',
  counted_as: 'other',
  prompt: 'dusk',
  n: 3,
  params: '{"size":"1024x1024"}',
  metadata: '{"order":"7"}',
  warnings: '["w"]',
  webhook_events: '["job.failed"]',
  webhook_url: 'https://h.example',
  callback_url: 'https://k.example',
  callback_base64: 1,
  fingerprint: 'f',
  retry_of: 'job_0',
  created_at: 31,
  submitted_at: 32,
  completed_at: 33,
  expires_at: 34,
}

/** What is expected of a row: its columns by their names here, with some of them read differently or left out. */
function named(row: Row, read: Record<string, unknown>): object {
  const name = (column: string): string => column.replaceAll(/_(\w)/g, (_all, letter: string) => letter.toUpperCase())
  const all = { ...Object.fromEntries(Object.entries(row).map(([column, value]) => [name(column), value])), ...read }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

async function openFresh(): Promise<Database.Database> {
  const database = openDatabase(join(await testFolder(), 'darkroom.db'), 'writer')
  onTestFinished(() => void database.close())
  migrate(database, migrations)
  return database
}

test('every column of a job arrives where it belongs, and its parts in their order, however they lie in the file', async () => {
  const database = await openFresh()
  insert(database, 'jobs', jobRow)
  for (const position of [2, 0, 1]) {
    insert(database, 'tasks', taskRow(position))
    insert(database, 'images', imageRow(position))
    insert(database, 'inputs', inputRow(position))
  }
  // SQLite may give what has no order in any.
  database.pragma('reverse_unordered_selects = ON')
  const left = { jobId: undefined }
  expect(jobReader(database)('job_1')).toStrictEqual(
    named(jobRow, {
      countedAs: undefined,
      callbackUrl: undefined,
      callbackBase64: undefined,
      params: { size: '1024x1024' },
      metadata: { order: '7' },
      warnings: ['w'],
      webhookEvents: ['job.failed'],
      clientCallback: { url: 'https://k.example', base64: true },
      queuePosition: null,
      tasks: [0, 1, 2].map(position =>
        named(taskRow(position), {
          owner: undefined,
          pollAt: undefined,
          error: { code: 'api_error', message: 'no', traceId: null },
          usage: { total_tokens: 20 },
        }),
      ),
      images: [0, 1, 2].map(position => named(imageRow(position), { ...left, late: position === 1 })),
      inputs: [0, 1, 2].map(position => named(inputRow(position), left)),
    }),
  )
})

test('a job is read off the keys of its tables, and what is not there is null', async () => {
  const database = await openFresh()
  expect(jobReader(database)('job_1')).toBeNull()
  insert(database, 'jobs', { ...jobRow, callback_url: null, callback_base64: 0 })
  expect(jobReader(database)('job_1')).toMatchObject({ clientCallback: null, tasks: [], images: [], inputs: [] })
  const plan = database.prepare<{ id: string }, { detail: string }>(`explain query plan ${jobSql}`).all({ id: 'job_1' })
  expect(plan.map(step => step.detail).filter(detail => /^(SCAN|USE TEMP)/.test(detail))).toEqual([])
})
