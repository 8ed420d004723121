import type Database from 'better-sqlite3'
import type { JobRecord } from '../domain/records.ts'

/** Counting goes on no further for any key: each read of a job that waits would hold up every other request. */
const mostCounted = 10_000

/** Every key that waits, by one probe of the index for each, however many of its tasks do. */
const waitingSql = `
  with recursive waiting(owner) as (
    select min(owner) from tasks where status = 'queued'
    union all
    select (select min(owner) from tasks where status = 'queued' and owner > waiting.owner)
    from waiting where waiting.owner is not null)
  select owner, (select min(id) from tasks where status = 'queued' and owner = waiting.owner) as firstId,
    coalesce((select last_turn from turns where turns.owner = waiting.owner), 0) as lastTurn
  from waiting where owner is not null`

/**
 * How many tasks leave before a job's first, as the turns stand now: those of its own key that are older, and of each other key as
 * many as get a turn meanwhile. Null if none of its tasks waits.
 */
export function queuePositionReader(database: Database.Database) {
  const firstOf = database.prepare<{ jobId: string }, { id: number | null }>(
    "select min(id) as id from tasks where job_id = @jobId and status = 'queued'",
  )
  const waiting = database.prepare<[], { owner: string; firstId: number; lastTurn: number }>(waitingSql)
  const older = database.prepare<{ owner: string; before: number }, { count: number }>(`
    select count(*) as count from (
      select 1 from tasks where status = 'queued' and owner = @owner and id < @before limit ${mostCounted})`)
  const ofKey = database.prepare<{ owner: string; most: number }, { count: number }>(`
    select count(*) as count from (select 1 from tasks where status = 'queued' and owner = @owner limit @most)`)
  return ({ id: jobId, owner }: Pick<JobRecord, 'id' | 'owner'>): number | null => {
    const first = firstOf.get({ jobId })?.id ?? null
    if (first === null) return null
    const ahead = older.get({ owner, before: first })?.count ?? 0
    const keys = waiting.all()
    const own = keys.find(key => key.owner === owner)
    if (own === undefined) return null
    const others = keys
      .filter(key => key !== own)
      .map(key => {
        const goesFirst = key.lastTurn < own.lastTurn || (key.lastTurn === own.lastTurn && key.firstId < own.firstId)
        const turns = ahead + (goesFirst ? 1 : 0)
        return turns === 0 ? 0 : (ofKey.get({ owner: key.owner, most: turns })?.count ?? 0)
      })
    return others.reduce((sum, count) => sum + count, ahead)
  }
}
