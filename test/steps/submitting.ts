import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { openDisk } from '../../src/files/disk.ts'
import { makeMeter } from '../../src/metrics/meter.ts'
import { connectProvider } from '../../src/provider/client.ts'
import { openStore } from '../../src/store/store.ts'
import { testClock } from '../support/clock.ts'
import { testFolder } from '../support/folder.ts'
import { migrationsFolder } from '../support/jobs.ts'
import { testLog } from '../support/service.ts'

/** What submits to a provider stand on: a store, a disk and the provider's client, all of the test's own. */
export async function openSubmitting(providerUrl: string, onCommit?: (commands: number) => void) {
  const folder = await testFolder()
  const store = await openStore({
    path: join(folder, 'darkroom.db'),
    migrations: migrationsFolder,
    onFatal: () => {},
    ...(onCommit === undefined ? {} : { onCommit }),
  })
  onTestFinished(() => store.close())
  const blobs = await openDisk(join(folder, 'jobs'))
  const clock = testClock()
  const provider = connectProvider({
    baseUrl: providerUrl,
    editsPath: '/edits',
    tasksPath: '/tasks',
    apiKey: 'a-key',
    blobs,
    clock,
    maxAnswerBytes: 2 ** 20,
  })
  onTestFinished(() => provider.close())
  return {
    store,
    blobs,
    provider,
    clock,
    log: testLog(),
    meter: makeMeter().meter,
    chance: () => 0.5,
    submitTimeoutMs: 30_000,
    callbackUrl: (taskId: number) => `https://us.example.com/callbacks/${taskId}`,
    traceId: (jobId: string, taskId: number) => `${jobId} ${taskId}`,
    onResult: () => {},
  }
}
