import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { JobStore } from '../../src/domain/store.ts'
import { openStore } from '../../src/store/store.ts'
import { testFolder } from './folder.ts'
import { migrationsFolder } from './jobs.ts'

/** A store of the test's own, closed when it ends. */
export async function testStore(): Promise<JobStore> {
  const store = await openStore({
    path: join(await testFolder(), 'darkroom.db'),
    migrations: migrationsFolder,
    onFatal: error => {
      throw error
    },
  })
  onTestFinished(() => store.close())
  return store
}
