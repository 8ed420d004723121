import Database from 'better-sqlite3'

export type Inspection = {
  /** How many migrations it has had. */
  version: number
  /** What the check said, some lines at most; empty: sound. null: there was no check. */
  damage: string[] | null
}

export type InspectOptions = {
  /** Opens so that not even what a process that died left behind is tidied up; may leave SQLite's own two files beside it. */
  readonly: boolean
  check: 'quick_check' | 'integrity_check' | null
}

const busyTimeoutMs = 1_000
const linesAtMost = 3

/** Looks at a database that a service may be using. Writes nothing to it. @throws Error where it can't be opened or read. */
export function inspectDatabase(path: string, { readonly, check }: InspectOptions): Inspection {
  const database = new Database(path, { readonly, fileMustExist: true, timeout: busyTimeoutMs })
  try {
    database.pragma('query_only = ON')
    const version = Number(database.pragma('user_version', { simple: true }))
    if (check === null) return { version, damage: null }
    const lines = database.prepare<[], string>(`pragma ${check}(${linesAtMost})`).pluck().all()
    return { version, damage: lines.filter(line => line !== 'ok') }
  } finally {
    database.close()
  }
}
