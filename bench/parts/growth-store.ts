import { join } from 'node:path'
import { idMaker } from '../../src/domain/ids.ts'
import { openStore } from '../../src/store/store.ts'
import type { Later } from '../cleanup.ts'
import { jobsSpread, pageIds, providerTaskIdsOf, spanOfOldest } from '../rows/look.ts'

type Store = Awaited<ReturnType<typeof openStore>>

/** A store that is open, with jobs in it that were there before. */
export type Stocked = {
  store: Store
  /** Some of its jobs, of all ages. */
  jobIds: readonly string[]
  /** Of their tasks, at the provider. */
  providerTaskIds: readonly string[]
  /** What the thousandth page begins after; of fewer jobs, the last that is full. */
  deepBefore: string
  /** When its oldest jobs were created, as many in every database. */
  oldest: { fromAt: number; toAt: number }
  newId: (prefix: string) => string
}

const migrations = join(import.meta.dirname, '..', '..', 'migrations', 'sqlite')
const pageSize = 20
const deepPage = 1_000

/** Opens a stocked database as the service does. */
export async function openStocked(later: Later, path: string, counts: { reads: number }): Promise<Stocked> {
  const jobIds = jobsSpread(path, counts.reads, 0)
  const [wanted] = pageIds(path, 1, pageSize * (deepPage - 1) - 1)
  const deepBefore = wanted ?? jobIds[Math.ceil(jobIds.length / 10)] ?? ''
  const known = { jobIds, deepBefore, providerTaskIds: providerTaskIdsOf(path, jobIds), oldest: spanOfOldest(path, 12) }
  const store = await openStore({
    path,
    migrations,
    onFatal: error => {
      throw error
    },
  })
  later(() => store.close())
  return { ...known, store, newId: idMaker({ now: () => Date.now(), after: () => () => {} }) }
}
