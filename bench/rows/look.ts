import Database from 'better-sqlite3'
import { owner } from './identity.ts'

function reading<T>(path: string, work: (database: Database.Database) => T): T {
  const database = new Database(path, { readonly: true })
  try {
    return work(database)
  } finally {
    database.close()
  }
}

/** The ids of so many of the owner's jobs, of all ages at equal distances, beginning at a part (0 to 1) of the first distance. */
export function jobsSpread(path: string, count: number, begin: number): string[] {
  return reading(path, database => {
    const ids = database.prepare<[string], string>('select id from jobs where owner = ? order by id').pluck().all(owner)
    const step = Math.max(1, ids.length / count)
    const wanted = Math.min(count, ids.length)
    return Array.from({ length: wanted }, (_, index) => ids[Math.floor((index + begin) * step)]).filter(id => id !== undefined)
  })
}

/** The owner's ids after passing over so many, newest first. */
export function pageIds(path: string, limit: number, offset: number): string[] {
  return reading(path, database =>
    database
      .prepare<[string, number, number], string>('select id from jobs where owner = ? order by id desc limit ? offset ?')
      .pluck()
      .all(owner, limit, offset),
  )
}

/** The cursor with which the list goes on after so many jobs. */
export function pageCursor(path: string, passed: number): string {
  const [last] = pageIds(path, 1, passed - 1)
  if (last === undefined) throw new Error(`the list has fewer than ${passed} jobs`)
  return Buffer.from(last, 'latin1').toString('base64url')
}

/** The ids that the tasks of some jobs have at the provider; those that were never accepted have none. */
export function providerTaskIdsOf(path: string, jobIds: readonly string[]): string[] {
  return reading(path, database => {
    const select = database.prepare<[string], string | null>('select provider_task_id from tasks where job_id = ?').pluck()
    return jobIds.flatMap(id => select.all(id)).filter(id => id !== null)
  })
}

/** From when to when, in ms since 1970, the oldest jobs of the bench's key were created: so many of them. */
export function spanOfOldest(path: string, count: number): { fromAt: number; toAt: number } {
  return reading(path, database => {
    const times = database
      .prepare<[string, number], number>('select created_at from jobs where owner = ? order by created_at limit ?')
      .pluck()
      .all(owner, count)
    const [fromAt, toAt] = [times.at(0), times.at(-1)]
    if (fromAt === undefined || toAt === undefined) throw new Error('there are no jobs')
    return { fromAt, toAt }
  })
}
