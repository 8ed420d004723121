import type Database from 'better-sqlite3'
import type { JobStatus } from '../domain/job.ts'

/** Is told where a job leaves one status for another. */
export type Moves = { jobMoved(countedAs: string, from: JobStatus, to: JobStatus): void }

/** What a batch adds to the totals. */
export type Tally = Moves & {
  /** How much was noted since the batch began. */
  noted(): number
  /** Forgets what was noted after so much. */
  forget(after: number): void
  /** Adds it to the totals, in the batch's own transaction. */
  write(): void
}

const bytesTriggers = (table: string, kind: string): string => `
  create temp trigger ${table}_in after insert on main.${table} when new.size_bytes is not null begin
    select tally('bytes ${kind}', new.size_bytes);
  end;
  create temp trigger ${table}_on after update of size_bytes on main.${table} when new.size_bytes is not old.size_bytes begin
    select tally('bytes ${kind}', coalesce(new.size_bytes, 0) - coalesce(old.size_bytes, 0));
  end;
  create temp trigger ${table}_out after delete on main.${table} when old.size_bytes is not null begin
    select tally('bytes ${kind}', -old.size_bytes);
  end;`

const jobTriggers = `
  create temp trigger jobs_in after insert on main.jobs begin
    select tally('jobs ' || new.status || ' ' || new.counted_as, 1);
  end;
  create temp trigger jobs_out after delete on main.jobs begin
    select tally('jobs ' || old.status || ' ' || old.counted_as, -1);
  end;`

/**
 * Keeps the totals of what this connection writes to jobs and pictures, deletions that cascade included: it is noted, and written
 * once with each batch. Triggers note what comes and goes. A job's moves are told by the one who makes them (move.ts): a trigger
 * for those cost a tenth of each callback.
 */
export function keepTotals(database: Database.Database): Tally {
  const noted: { name: string; by: number }[] = []
  database.function('tally', (name: string, by: number) => {
    noted.push({ name, by })
    return null
  })
  database.exec(bytesTriggers('inputs', 'input') + bytesTriggers('images', 'output') + jobTriggers)
  const add = database.prepare(
    'insert into totals (name, amount) values (?, ?) on conflict (name) do update set amount = amount + excluded.amount',
  )
  return {
    jobMoved(countedAs, from, to) {
      noted.push({ name: `jobs ${from} ${countedAs}`, by: -1 }, { name: `jobs ${to} ${countedAs}`, by: 1 })
    },
    noted: () => noted.length,
    forget(after) {
      noted.length = after
    },
    write() {
      const sums = new Map<string, number>()
      for (const { name, by } of noted) sums.set(name, (sums.get(name) ?? 0) + by)
      for (const [name, by] of sums) if (by !== 0) add.run(name, by)
    },
  }
}
