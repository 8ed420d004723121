import Database from 'better-sqlite3'

export type NamedFile = { jobId: string; file: string }

const holdName = 'backup'
/** Marks a copy until it is put to use. */
const restoredName = 'restored'

/** Holds back the removal of old jobs and files until a time; called again, it prolongs. `until` 0: lets go. */
export function hold(database: Database.Database, until: number): void {
  database
    .prepare(
      'insert into holds (name, until_at) values (@name, @until) on conflict (name) do update set until_at = excluded.until_at',
    )
    .run({ name: holdName, until })
}

/**
 * Copies the database as it is at one moment, while others write to it, into a file that must not be there yet.
 *
 * In the copy, what waits to be submitted counts as unconfirmed: by the time that the copy is put to use it may have been
 * submitted, and nothing is ever paid for twice. It is looked for at the provider instead.
 */
export function snapshot(database: Database.Database, path: string, now: number): void {
  database.prepare('vacuum into ?').run(path)
  const copy = new Database(path)
  try {
    copy.pragma('synchronous = FULL')
    copy.transaction(() => {
      copy
        .prepare(`
          update tasks set status = 'unconfirmed', charge = 'possible', attempts = max(attempts, 1), submitted_at = @now, poll_at = @now
          where status = 'queued'`)
        .run({ now })
      copy
        .prepare(`
          update jobs set status = 'processing', submitted_at = coalesce(submitted_at, @now)
          where status = 'queued'`)
        .run({ now })
      copy.prepare("delete from totals where name like 'jobs %'").run()
      copy
        .prepare(`
          insert into totals (name, amount)
          select 'jobs ' || status || ' ' || counted_as, count(*) from jobs group by status, counted_as`)
        .run()
      copy.prepare('delete from holds').run()
      copy.prepare('insert into holds (name, until_at) values (@name, 0)').run({ name: restoredName })
    })()
  } finally {
    copy.close()
  }
}

/**
 * Gives a database that was restored ids that none before had: its callback URLs are made of a task's id, and those that were
 * given out after the backup was made must not lead to other tasks. The time in milliseconds is greater than any id yet.
 * @returns whether it was one.
 */
export function leaveOutLostIds(database: Database.Database, now: number): boolean {
  const raise = database.prepare('update sqlite_sequence set seq = max(seq, @now) where name = @name')
  const begin = database.prepare('insert into sqlite_sequence (name, seq) values (@name, @now)')
  const unmark = database.prepare('delete from holds where name = @name')
  return database
    .transaction(() => {
      if (unmark.run({ name: restoredName }).changes === 0) return false
      for (const name of ['tasks', 'events']) if (raise.run({ name, now }).changes === 0) begin.run({ name, now })
      return true
    })
    .immediate()
}

/** Every file that a row names. */
export function* namedFiles(database: Database.Database): Generator<NamedFile> {
  for (const table of ['inputs', 'images', 'callbacks']) {
    const rows = database.prepare<[], NamedFile>(`select job_id as jobId, file from ${table} where file is not null`)
    yield* rows.iterate()
  }
}
