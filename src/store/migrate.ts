import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type Database from 'better-sqlite3'

export type Migration = { version: number; name: string; sql: string }

/** Reads `0001_name.sql`, `0002_…` of a folder, in order. @throws Error where the numbers have a gap or a double. */
export function readMigrations(folder: string): Migration[] {
  const names = readdirSync(folder).filter(name => name.endsWith('.sql'))
  return names.toSorted().map((name, index) => {
    const version = Number(/^(\d{4})_[a-z0-9_]+\.sql$/.exec(name)?.[1])
    if (version !== index + 1)
      throw new Error(`migration ${name}: expected a name that begins with ${String(index + 1).padStart(4, '0')}_`)
    return { version, name, sql: readFileSync(join(folder, name), 'utf8') }
  })
}

/**
 * Brings the database to the newest version, each migration in a transaction of its own, so that one that is interrupted has
 * changed nothing. The version is SQLite's own `user_version`, which is part of the transaction.
 * @throws Error where the file was written by a newer version of the program.
 * @returns the names of those applied.
 */
export function migrate(database: Database.Database, migrations: readonly Migration[]): string[] {
  const current = (): number => Number(database.pragma('user_version', { simple: true }))
  const known = migrations.at(-1)?.version ?? 0
  if (current() > known)
    throw new Error(
      `the database is at version ${current()}, this program knows versions up to ${known}: it was written by a newer one; run that, or restore a backup`,
    )
  const applied: string[] = []
  for (const { version, name, sql } of migrations) {
    database
      .transaction(() => {
        // Asked again inside: another process may have applied it while we waited for the lock.
        if (current() >= version) return
        database.exec(sql)
        database.pragma(`user_version = ${version}`)
        applied.push(name)
      })
      .immediate()
  }
  return applied
}
