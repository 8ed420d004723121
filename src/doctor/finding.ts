/** `skip`: could not be looked at, which is no fault by itself. */
export type Level = 'ok' | 'skip' | 'warn' | 'fail'

/** What one look found. None of its texts holds a secret. */
export type Finding = {
  /** What was looked at, in a word or two. */
  check: string
  level: Level
  seen: string
  /** What to do about it; null: nothing. */
  toDo: string | null
}

/** Makes findings of one check. */
export function findingsOf(check: string) {
  const at =
    (level: Level) =>
    (seen: string, toDo: string | null = null): Finding => ({ check, level, seen, toDo })
  return { ok: at('ok'), skip: at('skip'), warn: at('warn'), fail: at('fail') }
}

/** The code of an error of the operating system or of SQLite, or its name: never its text, which may hold what was given. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error ? String(error.code) : error.name
}

/** The error means that there is nothing of that name. */
export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR'
}

/** Bytes as a person reads them. */
export function asSize(bytes: number): string {
  if (bytes < 2 ** 20) return `${Math.ceil(bytes / 2 ** 10)} kB`
  if (bytes < 10 * 2 ** 30) return `${(bytes / 2 ** 20).toFixed(0)} MB`
  return `${(bytes / 2 ** 30).toFixed(0)} GB`
}
