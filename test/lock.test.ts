import { expect, test } from 'vitest'
import { testFolder } from './support/folder.ts'
import { freePort, startProcess } from './support/process.ts'
import { startTestService } from './support/service.ts'

test('a second service on the same data is refused before it touches anything, and may start when the first has ended', async () => {
  const dataDir = await testFolder()
  const first = await startTestService({ DATA_DIR: dataDir })
  await expect(startTestService({ DATA_DIR: dataDir })).rejects.toThrow(/another darkroom is running/)
  await expect(startProcess({ PORT: String(await freePort()), DATA_DIR: dataDir })).rejects.toThrow(/another darkroom is running/)
  await first.close(5_000)
  const second = await startTestService({ DATA_DIR: dataDir })
  expect((await second.call('/readyz')).status).toBe(200)
})

test('a port that is taken is named', async () => {
  const service = await startTestService()
  const port = new URL(service.url).port
  await expect(startProcess({ PORT: port, DATA_DIR: await testFolder() })).rejects.toThrow(`port ${port} is in use`)
})
