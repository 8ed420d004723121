import type Database from 'better-sqlite3'
import type { JobStatus } from '../domain/job.ts'
import type { StoreFigures, Waiting } from '../domain/store.ts'
import { unfinishedTasks } from './rows.ts'

/** More than this is not counted: by then the number says nothing more, and a scrape would hold up the main thread. */
export const countedUpTo = 20_000
/** So many unconfirmed tasks are looked at, the newest first, for whether they take room at the provider. */
const unconfirmedLookedAt = 1_000

const counted = (rows: string): string => `select count(*) from (select 1 from ${rows} limit ${countedUpTo})`

/** Each is a table that is small whatever there is, or a walk of an index that stops at `countedUpTo`. */
export const figureQueries = {
  totals: 'select name, amount from totals',
  queue: waiting('due_at', "tasks indexed by tasks_queued_due where status = 'queued'"),
  copies: waiting('copy_at', 'images indexed by images_to_copy where copy_at is not null'),
  deliveries: waiting('due_at', 'deliveries indexed by deliveries_due_first where due_at is not null'),
  unconfirmed: counted(`${unfinishedTasks} and status = 'unconfirmed'`),
  inFlight: `
    select (select count(*) from ${unfinishedTasks} and status in ('submitting', 'submitted'))
      + (select count(*) from (
          select submitted_at from ${unfinishedTasks} and status = 'unconfirmed' order by expires_at desc limit ${unconfirmedLookedAt})
        where submitted_at > @since and submitted_at <= @now)`,
} as const

function waiting(at: string, rows: string): string {
  return `select (${counted(rows)}) as count, (select min(${at}) from ${rows}) as firstDueAt`
}

/** What there is now, for those who watch. */
export function figureReads(database: Database.Database) {
  const totals = database.prepare<[], { name: string; amount: number }>(figureQueries.totals)
  const queue = database.prepare<[], Waiting>(figureQueries.queue)
  const copies = database.prepare<[], Waiting>(figureQueries.copies)
  const deliveries = database.prepare<[], Waiting>(figureQueries.deliveries)
  const unconfirmed = database.prepare<[], number>(figureQueries.unconfirmed).pluck()
  const inFlight = database.prepare<{ since: number; now: number }, number>(figureQueries.inFlight).pluck()
  const none: Waiting = { count: 0, firstDueAt: null }
  // Of one moment: what leaves one count is in another.
  return database.transaction((since: number, now: number): Omit<StoreFigures, 'writesWaiting'> => {
    const amounts = new Map(totals.all().map(row => [row.name, row.amount]))
    return {
      jobs: jobCounts(amounts),
      queue: queue.get() ?? none,
      copies: copies.get() ?? none,
      deliveries: deliveries.get() ?? none,
      unconfirmed: unconfirmed.get() ?? 0,
      inFlight: inFlight.get({ since, now }) ?? 0,
      storedBytes: { input: amounts.get('bytes input') ?? 0, output: amounts.get('bytes output') ?? 0 },
    }
  })
}

function jobCounts(amounts: ReadonlyMap<string, number>): StoreFigures['jobs'] {
  return [...amounts].flatMap(([name, count]) => {
    const [figure, status, ...model] = name.split(' ')
    // As tally.ts writes them, of rows whose status the schema holds.
    return figure === 'jobs' ? [{ model: model.join(' '), status: status as JobStatus, count }] : []
  })
}
