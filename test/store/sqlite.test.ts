import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { openStore } from '../../src/store/store.ts'
import { testFolder } from '../support/folder.ts'
import { migrationsFolder } from '../support/jobs.ts'
import { storeContract } from './contract.ts'

storeContract(async () => {
  const path = join(await testFolder(), 'darkroom.db')
  const store = await openStore({
    path,
    migrations: migrationsFolder,
    onFatal: error => {
      throw error
    },
  })
  onTestFinished(() => store.close())
  return store
})
