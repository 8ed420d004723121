import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { inspectDatabase } from '../store/inspect.ts'
import { readMigrations } from '../store/migrate.ts'
import { asSize, codeOf, type Finding, findingsOf, isMissing } from './finding.ts'

const database = findingsOf('database')

/** Read at some hundred MB a second: the check takes a few seconds at most. */
const checkedWithoutAskingBytes = 2 ** 30
const longLogBytes = 256 * 2 ** 20

/** null: there is no such file. */
async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

/**
 * The database file: whether it is sound, and of a version that this program knows. It is only read.
 * @param migrations the folder of them.
 * @param isRunning a service uses it; null: that is not known.
 */
export async function examineDatabase(
  dataDir: string,
  { migrations, isRunning, thorough }: { migrations: string; isRunning: boolean | null; thorough: boolean },
): Promise<Finding> {
  const path = join(dataDir, 'darkroom.db')
  const sizeBytes = await sizeOf(path)
  if (sizeBytes === null) return database.ok('there is none yet: the first start makes it')
  const logBytes = await sizeOf(`${path}-wal`)
  const isSmall = sizeBytes + (logBytes ?? 0) <= checkedWithoutAskingBytes
  const check = thorough ? 'integrity_check' : isSmall ? 'quick_check' : null
  const startedAt = performance.now()
  try {
    // Where nobody uses it and nothing is left to tidy up, an ordinary opening is the one that leaves no file behind.
    const { version, damage } = inspectDatabase(path, { readonly: isRunning !== false || logBytes !== null, check })
    if (damage !== null && damage.length > 0) return database.fail(`damaged: ${damage.join('; ')}`, restore)
    const checked = check === null ? 'not checked' : `${check} is ok (${Math.round(performance.now() - startedAt)} ms)`
    const files = `${asSize(sizeBytes)}, and ${asSize(logBytes ?? 0)} of log`
    return judge({
      version,
      known: readMigrations(migrations).length,
      logBytes: logBytes ?? 0,
      check,
      seen: `${checked}, ${files}`,
    })
  } catch (error) {
    const code = codeOf(error)
    if (code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT')) return database.fail(`damaged (${code})`, restore)
    return database.fail(`${path} cannot be read (${code})`, 'give it to the user of the service, and look at the disk')
  }
}

const restore = 'stop the service, keep a copy of the folder, and restore a backup'

function judge(found: { version: number; known: number; logBytes: number; check: string | null; seen: string }): Finding {
  const { version, known } = found
  const seen = `version ${version}, ${found.seen}`
  if (version > known)
    return database.fail(
      `version ${version} was written by a newer program; this one knows up to ${known}`,
      'run that one, or restore a backup',
    )
  if (found.logBytes > longLogBytes)
    return database.warn(seen, 'something reads it without an end, such as a backup that hangs: look for it')
  if (found.check === null) return database.ok(seen, 'it is large: --thorough checks it, which takes a while')
  return database.ok(version < known ? `${seen}; the next start brings it to version ${known}` : seen)
}
