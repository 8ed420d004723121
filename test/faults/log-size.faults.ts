import { stat } from 'node:fs/promises'
import { Agent } from 'node:http'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import { asJson, call, type Provider, type Settings, settingsFor, startProvider } from './support.ts'

const mebibyte = 2 ** 20
const limitBytes = 64 * mebibyte
const clients = 32

const prompt = 'x'.repeat(2_000)
const result = { success: false, error: { code: 'api_error', message: 'no picture' } }

/** Takes jobs and their results; gives the largest size that the write-ahead log had meanwhile. */
async function load(
  service: ServiceProcess,
  provider: Provider,
  settings: Settings,
  jobs: number,
  name: string,
): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  const log = join(settings.DATA_DIR, 'darkroom.db-wal')
  let largest = 0
  let next = 0
  async function client(): Promise<void> {
    while (next < jobs) {
      const mine = `${name}-${next++}-${prompt}`
      const job = await call(`${service.url}/jobs`, { ...asJson({ prompt: mine, image: 'https://example.com/a.png' }), agent })
      expect(job.status).toBe(202)
      const answer = await call(provider.submitOf(mine)?.callbackUrl ?? '', { ...asJson(result), agent })
      expect(answer.status).toBe(200)
      largest = Math.max(largest, (await stat(log)).size)
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  agent.destroy()
  return largest
}

test('the write-ahead log stays small under steady load, those included who wait for a job, and shrinks when a foreign reader lets go', async () => {
  const provider = await startProvider()
  const settings = await settingsFor(provider)
  const service = await startProcess(settings)
  const steady = await load(service, provider, settings, 2_000, 'steady')

  const { id } = JSON.parse(
    (await call(`${service.url}/jobs`, asJson({ prompt: 'waited for', image: 'https://example.com/a.png' }))).text,
  ) as JobView
  const waiting = Array.from({ length: 20 }, () => call(`${service.url}/jobs/${id}?wait=90`))
  const waitedFor = await load(service, provider, settings, 2_000, 'waited-for')
  expect((await call(provider.submitOf('waited for')?.callbackUrl ?? '', asJson(result))).status).toBe(200)
  for (const answer of await Promise.all(waiting)) expect(JSON.parse(answer.text)).toMatchObject({ status: 'failed' })

  // What a curious person does with the database: as long as it is read as it was then, nothing later can leave the log.
  const reader = new Database(join(settings.DATA_DIR, 'darkroom.db'), { readonly: true })
  onTestFinished(() => void reader.close())
  reader.exec('begin')
  reader.prepare('select count(*) from jobs').get()
  const held = await load(service, provider, settings, 2_000, 'held')
  reader.exec('commit')
  await load(service, provider, settings, 200, 'after')
  const { size } = await stat(join(settings.DATA_DIR, 'darkroom.db-wal'))
  const inMb = (sizeBytes: number): string => `${(sizeBytes / mebibyte).toFixed(1)} MB`
  console.info(
    `the log under 2,000 jobs and results: ${inMb(steady)} at most, ${inMb(waitedFor)} with some who wait, ` +
      `${inMb(held)} with a foreign reader, ${inMb(size)} after it`,
  )
  expect(steady).toBeLessThan(limitBytes)
  expect(waitedFor).toBeLessThan(limitBytes)
  // So that it says something, the log has to have been larger.
  expect(held).toBeGreaterThan(limitBytes)
  expect(size).toBeLessThanOrEqual(limitBytes)
})
