import { join } from 'node:path'
import type { Config } from '../config.ts'
import { isFolderLocked } from '../store/lock.ts'
import { examineAddress } from './address.ts'
import { examineDatabase } from './database.ts'
import { codeOf, type Finding, findingsOf } from './finding.ts'
import { examineFolder, examineSecret } from './folder.ts'
import { examineKeys } from './keys.ts'
import { examineProvider } from './provider.ts'

export type ExamineOptions = {
  /** The folder of migrations. */
  migrations: string
  /** Checks the database through and through, however large it is. */
  thorough: boolean
  now: () => number
}

/** Looks at all that the settings lead to, beside a running service or before a first start, and changes nothing. */
export async function* examine(config: Config, options: ExamineOptions): AsyncGenerator<Finding> {
  const { dataDir } = config
  yield* await unlessBroken('data folder', () => examineFolder(dataDir))
  yield* await unlessBroken('secret', async () => [await examineSecret(dataDir, config.secrets.length > 0)])
  const isRunning = holdsFolder(dataDir)
  yield* await unlessBroken('database', async () => [await examineDatabase(dataDir, { ...options, isRunning })])
  yield* await unlessBroken('service', () => examineAddress(config, isRunning))
  yield* await unlessBroken('provider', () => examineProvider(config, options.now))
  yield* examineKeys(config)
}

/** Whether a service runs on it; null: not known. */
function holdsFolder(dataDir: string): boolean | null {
  try {
    return isFolderLocked(join(dataDir, 'lock'))
  } catch {
    // Whatever keeps us from looking at it is told where the folder is.
    return null
  }
}

/** A look that breaks is a finding too, and the others go on. */
async function unlessBroken(check: string, look: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await look()
  } catch (error) {
    return [findingsOf(check).fail(`could not be looked at (${codeOf(error)})`, 'look at what this user may read')]
  }
}
