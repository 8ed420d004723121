import { setImmediate } from 'node:timers/promises'
import type Database from 'better-sqlite3'
import { idMaker } from '../../src/domain/ids.ts'

/*
 * Copies the jobs of one database into another again and again, all rows that belong to them, with ids and times of their own.
 * It goes by the schema itself: which tables those are is told by their foreign keys, and what to do with a column by its name.
 */

type Column = { name: string; type: string; pk: number }
type Table = { name: string; columns: readonly Column[]; belongsTo: 'job' | 'row of a job' }
type Job = { id: string; created_at: number }

const templateName = 'template'

/** The tables that hold what belongs to a job, `jobs` first. */
function tablesOf(database: Database.Database): Table[] {
  const names = database
    .prepare<[], { name: string }>("select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'")
    .all()
  const columnsOf = (name: string): Column[] => database.pragma(`table_info(${name})`) as Column[] // SQLite's own shape
  const parentsOf = (name: string): string[] =>
    (database.pragma(`foreign_key_list(${name})`) as { table: string }[]).map(row => row.table)
  const tables: Table[] = [{ name: 'jobs', columns: columnsOf('jobs'), belongsTo: 'job' }]
  for (const { name } of names)
    if (parentsOf(name).includes('jobs')) tables.push({ name, columns: columnsOf(name), belongsTo: 'job' })
  const ofJobs = new Set(tables.map(table => table.name))
  for (const { name } of names) {
    const isOfRow = !ofJobs.has(name) && parentsOf(name).some(parent => ofJobs.has(parent))
    if (isOfRow) tables.push({ name, columns: columnsOf(name), belongsTo: 'row of a job' })
  }
  return tables
}

/** The value that a column has in a copy, as SQL. */
function valueOf(table: Table, { name, type, pk }: Column): string {
  const own = `t.${name}`
  if (name === 'job_id' || (table.name === 'jobs' && name === 'id')) return 'ids.new'
  if (/_(at|until)$/.test(name)) return `${own} + @shiftMs`
  if (name === 'task_id') return `${own} + @tasks`
  if (name === 'id' && pk > 0 && type === 'INTEGER') return `${own} + @${table.name}`
  if (/^(delivery_)?id$/.test(name)) return `${own} || '.' || @copy`
  // The ends of these are the task's number, of twelve digits.
  if (name === 'provider_task_id' || name === 'trace_id')
    return `substr(${own}, 1, length(${own}) - 12) || printf('%012d', t.id + @tasks)`
  if (name === 'fingerprint') return `substr(ids.new, -16) || substr(${own}, 17)`
  return own
}

function copyStatement(database: Database.Database, table: Table): Database.Statement<[object]> {
  const { name, columns, belongsTo } = table
  const jobId = name === 'jobs' ? 'id' : 'job_id'
  const join = belongsTo === 'job' ? `cross join temp.ids on ids.old = t.${jobId}` : ''
  return database.prepare<[object]>(`
    insert into main.${name} (${columns.map(column => column.name).join(', ')})
    select ${columns.map(column => valueOf(table, column)).join(', ')} from ${templateName}.${name} as t ${join}`)
}

/** How far the numbers of each table's rows are to be moved, so that they follow those that are there. */
function offsetReader(database: Database.Database, tables: readonly Table[]): () => Record<string, number> {
  const numbered = tables.filter(({ columns }) => columns.some(column => column.name === 'id' && column.type === 'INTEGER'))
  const reads = numbered.map(({ name }) => {
    const sql = `select (select coalesce(max(id), 0) from main.${name}) - coalesce(min(id), 1) + 1 as offset from ${templateName}.${name}`
    return { name, read: database.prepare<[], { offset: number }>(sql) }
  })
  return () => Object.fromEntries(reads.map(({ name, read }) => [name, read.get()?.offset ?? 0]))
}

export type Multiplied = {
  copies: number
  /** How much later each copy is than the one before. */
  everyMs: number
  /** Called before each copy is made, oldest first. */
  before: (copy: number, shiftMs: number) => void
}

/** Adds so many copies of the jobs of the database at `templatePath`. The first is shifted by nothing. */
export async function multiply(
  database: Database.Database,
  templatePath: string,
  { copies, everyMs, before }: Multiplied,
): Promise<void> {
  database.pragma('foreign_keys = OFF')
  database.prepare(`attach ? as ${templateName}`).run(templatePath)
  database.exec('create temp table ids (old text primary key, new text not null) without rowid')
  const tables = tablesOf(database)
  const statements = tables.map(table => copyStatement(database, table))
  const offsets = offsetReader(database, tables)
  const jobs = database.prepare<[], Job>(`select id, created_at from ${templateName}.jobs order by id`).all()
  const name = database.prepare('insert into temp.ids values (@old, @new)')
  let now = 0
  const newId = idMaker({ now: () => now, after: () => () => {} })
  const copyOnce = database.transaction((copy: number, shiftMs: number) => {
    database.exec('delete from temp.ids')
    for (const { id, created_at: createdAt } of jobs) {
      now = createdAt + shiftMs
      name.run({ old: id, new: newId('job') })
    }
    const values = { ...offsets(), shiftMs, copy }
    for (const statement of statements) statement.run(values)
  })
  for (let copy = 0; copy < copies; copy += 1) {
    before(copy, copy * everyMs)
    copyOnce(copy, copy * everyMs)
    // Whoever waits for all of them may interrupt.
    await setImmediate()
  }
  database.exec(`drop table temp.ids; detach ${templateName}`)
  const [broken] = database.pragma('foreign_key_check') as unknown[]
  if (broken !== undefined) throw new Error(`a copied row belongs to none: ${JSON.stringify(broken)}`)
}
