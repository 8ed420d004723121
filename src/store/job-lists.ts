import type Database from 'better-sqlite3'
import type { JobRecord } from '../domain/records.ts'
import type { JobFilter } from '../domain/store.ts'

/** Counting goes on no further: it holds up every request. */
const mostCounted = 10_000

type Key = { id: string; createdAt: number }

/** Every owner of a job: one probe of an index for each, however many jobs they have. */
const ownersSql = `
  with recursive found(owner) as (
    select min(owner) from jobs
    union all
    select (select min(owner) from jobs where owner > found.owner) from found where found.owner is not null)
  select owner from found where owner is not null`

/** The conditions of one owner's jobs. What an index is not to be chosen for stands behind a `+`. */
function whereOf(filter: JobFilter): string {
  // A status that is not the usual end is the rarer of the two, where both are asked for.
  const byStatus = filter.status !== null && (filter.model === null || filter.status !== 'succeeded')
  const wanted = [
    'owner = @owner',
    filter.status === null ? null : `${byStatus ? '' : '+'}status = @status`,
    filter.model === null ? null : `${byStatus ? '+' : ''}model = @model`,
    filter.before === null ? null : 'id < @before',
    (filter.createdFrom ?? null) === null ? null : 'created_at >= @createdFrom',
    (filter.createdTo ?? null) === null ? null : 'created_at <= @createdTo',
  ]
  return wanted.filter(condition => condition !== null).join(' and ')
}

function isTimed(filter: JobFilter): boolean {
  return (filter.createdFrom ?? null) !== null || (filter.createdTo ?? null) !== null
}

/** Everybody's jobs, whatever they are. */
function isOfAll(filter: JobFilter): boolean {
  return filter.owner === null && filter.status === null && filter.model === null && !isTimed(filter)
}

/** What reads the keys of one owner's jobs, or of all, newest first. Each is read off an index, in its order. */
export function keysSql(filter: JobFilter): string {
  const columns = 'select id, created_at as createdAt from jobs'
  const where = isOfAll(filter) ? (filter.before === null ? '' : 'where id < @before') : `where ${whereOf(filter)}`
  return `${columns} ${where} order by ${isTimed(filter) ? 'created_at desc, id desc' : 'id desc'} limit @limit offset @offset`
}

/**
 * The list of jobs, newest first. Each owner's is read off an index in its order; everybody's is put together from theirs, so that
 * a rare status or model is not looked for among all jobs.
 */
export function makeJobLists(database: Database.Database, readJob: (id: string) => JobRecord | null) {
  const owners = database.prepare<[], { owner: string }>(ownersSql)
  const statements = new Map<string, Database.Statement<[object]>>()
  /** At most sixty-four texts of each kind, each made of constants. */
  function prepared<Row>(sql: string): Database.Statement<[object], Row> {
    const statement = statements.get(sql) ?? database.prepare<[object]>(sql)
    statements.set(sql, statement)
    // A text always gives the same rows.
    return statement as Database.Statement<[object], Row>
  }
  const ownersOf = ({ owner }: JobFilter): string[] => (owner === null ? owners.all().map(one => one.owner) : [owner])

  /** The keys of one page, newest first. */
  function newest(filter: JobFilter): Key[] {
    const { offset = 0, limit } = filter
    const statement = prepared<Key>(keysSql(filter))
    if (filter.owner !== null || isOfAll(filter)) return statement.all({ ...filter, offset })
    const who = ownersOf(filter)
    if (who.length === 1) return statement.all({ ...filter, owner: who[0], offset })
    // Each may have all that is wanted, and all that is passed over.
    const keys = who.flatMap(owner => statement.all({ ...filter, owner, offset: 0, limit: offset + limit }))
    const byTime = isTimed(filter)
    const later = (a: Key, b: Key): number => (byTime ? b.createdAt - a.createdAt : 0) || (a.id < b.id ? 1 : -1)
    return keys.toSorted(later).slice(offset, offset + limit)
  }

  // One look at one state of the database.
  const readAll = database.transaction((filter: JobFilter): JobRecord[] =>
    newest(filter)
      .map(({ id }) => readJob(id))
      .filter(job => job !== null),
  )
  return {
    jobs: async (filter: JobFilter): Promise<JobRecord[]> => readAll(filter),
    async countJobs(filter: JobFilter): Promise<number> {
      const some = `select 1 from jobs where ${whereOf(filter)} limit ${mostCounted}`
      const statement = prepared<{ count: number }>(`select count(*) as count from (${some})`)
      const count = ownersOf(filter).reduce((sum, owner) => sum + (statement.get({ ...filter, owner })?.count ?? 0), 0)
      return Math.min(count, mostCounted)
    },
  }
}
