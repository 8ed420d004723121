import type Database from 'better-sqlite3'
import type { ClaimKind } from '../domain/ports.ts'
import type { JobStore, Waiter } from '../domain/store.ts'

/** Writes that a connection waits for a job. */
export function waitersInsert(database: Database.Database): (jobId: string, waiter: Waiter) => void {
  const insert = database.prepare('insert into waiters (job_id, connection, held_by, retry_count) values (?, ?, ?, ?)')
  return (jobId, { connection, by, count }) => void insert.run(jobId, connection, by, count)
}

/** The jobs of one request whose answer was never delivered. */
const undelivered = `
  select id from jobs
  where owner = @owner and fingerprint = @fingerprint and answered_at is null and created_at > @createdAfter`
const newest = 'order by created_at desc, id desc limit 1'
const nobodyWaits = 'not exists (select 1 from waiters where job_id = jobs.id)'

type Claimant = {
  owner: string
  fingerprint: string
  createdAfter: number
  endedAfter: number
  caller: string | null
  count: number
}

/** Who waits for which answer on a connection that is held, and who may take the place of one that ended without it. */
export function waiterCommands(database: Database.Database) {
  const insert = waitersInsert(database)
  const find = (more: string) => database.prepare<Claimant, { id: string }>(`${undelivered} and ${more} ${newest}`)
  const free = find(nobodyWaits)
  const freeSoonAfter = find(`${nobodyWaits} and undelivered_at > @endedAfter and (@caller is null or caller = @caller)
    and (completed_at is null or exists (select 1 from tasks where job_id = jobs.id and charge <> 'none'))`)
  const askedForLess = find('(select max(retry_count) from waiters where job_id = jobs.id) < @count')
  const remove = database.prepare('delete from waiters where job_id = @jobId and connection = @connection')
  const answered = database.prepare('update jobs set answered_at = @now where id = @jobId and answered_at is null')
  const missed = database.prepare('update jobs set undelivered_at = @now where id = @jobId and answered_at is null')
  const allMissed = database.prepare(`
    update jobs set undelivered_at = @now
    where answered_at is null and id in (select job_id from waiters where held_by <> @by)`)
  const removeOthers = database.prepare('delete from waiters where held_by <> @by')

  function look(claimant: Claimant): { jobId: string; kind: ClaimKind } | null {
    const as = (kind: ClaimKind, row: { id: string } | undefined) => (row === undefined ? null : { jobId: row.id, kind })
    if (claimant.count === 0) return as('unmarked', freeSoonAfter.get(claimant))
    return as('marked', free.get(claimant)) ?? as('joined', askedForLess.get(claimant))
  }

  return {
    claimAnswer({ waiter, ...a }: Parameters<JobStore['claimAnswer']>[0]): { jobId: string; kind: ClaimKind } | null {
      const claimed = look({ ...a, caller: waiter.caller, count: waiter.count })
      if (claimed !== null) insert(claimed.jobId, waiter)
      return claimed
    },
    waiterGone({ jobId, connection, delivered, now }: Parameters<JobStore['waiterGone']>[0]): void {
      // What was never there, or was noted already, is no end of anything.
      if (remove.run({ jobId, connection }).changes === 0) return
      if (delivered) answered.run({ jobId, now })
      else missed.run({ jobId, now })
    },
    recoverWaiters(a: Parameters<JobStore['recoverWaiters']>[0]): number {
      allMissed.run(a)
      return removeOthers.run({ by: a.by }).changes
    },
  }
}
