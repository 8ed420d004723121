import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { openDisk } from '../../src/files/disk.ts'
import { startRetention } from '../../src/steps/retention.ts'
import { testClock } from '../support/clock.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { type Running, startTestService, testLog } from '../support/service.ts'

const dayMs = 86_400_000

async function finish(service: Running): Promise<JobView> {
  const { id } = (await (
    await service.submit({ prompt: 'dark', image: dataUrl(await picture()), model: 'gpt-image-1' })
  ).json()) as JobView
  return service.ended(id)
}

/** Retention on a service's data as it will be so much later, run until it has nothing left to do. */
async function later(service: Running, ms: number, retentionDays: number) {
  const clock = testClock(Date.now() + ms)
  const log = testLog()
  const blobs = await openDisk(join(service.dataDir, 'jobs'))
  const step = startRetention({ store: service.store, blobs, clock, log, retentionDays })
  let before: string
  do {
    before = JSON.stringify(await tree(service))
    await step.pass()
    // Past the pause that a step with more to do asks for.
    await clock.advance(50)
    await step.pass()
  } while (before !== JSON.stringify(await tree(service)))
  await step.close()
  return log
}

const tree = (service: Running): Promise<string[]> => readdir(join(service.dataDir, 'jobs'), { recursive: true })

const folders = (service: Running): Promise<string[]> => readdir(join(service.dataDir, 'jobs'))

test('a job that is older than it is to be kept goes, with its folder', async () => {
  const service = await startTestService()
  const old = await finish(service)
  await later(service, 29 * dayMs, 30)
  expect((await service.call(`/jobs/${old.id}`)).status).toBe(200)
  await later(service, 31 * dayMs, 30)
  expect((await service.call(`/jobs/${old.id}`)).status).toBe(404)
  expect(await folders(service)).not.toContain(old.id)
})

test('with 0 days a job is kept for ever', async () => {
  const service = await startTestService()
  const job = await finish(service)
  await later(service, 3_650 * dayMs, 0)
  expect((await service.call(`/jobs/${job.id}`)).status).toBe(200)
  expect((await service.call(`/jobs/${job.id}/images/0`)).status).toBe(200)
})

test('a job that has not ended is never too old', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'empty' })
  const { id } = (await (await service.submit({ prompt: 'dark', image: dataUrl(await picture()) })).json()) as JobView
  await later(service, 400 * dayMs, 30)
  expect((await service.call(`/jobs/${id}`)).status).toBe(200)
})

test('files and folders that no row names go; those that are named stay', async () => {
  const service = await startTestService()
  const job = await finish(service)
  const root = join(service.dataDir, 'jobs')
  await mkdir(join(root, 'job_stray'))
  await writeFile(join(root, 'job_stray', 'in-1'), 'x')
  await writeFile(join(root, job.id, 'out-stray'), 'x')
  await writeFile(join(root, job.id, '.out-12345678.part'), 'x')
  await later(service, 2 * dayMs, 30)
  expect(await folders(service)).toEqual([job.id])
  expect((await readdir(join(root, job.id))).filter(name => name.includes('stray') || name.startsWith('.'))).toEqual([])
  expect((await service.call(`/jobs/${job.id}/images/0`)).status).toBe(200)
  expect((await service.call(`/jobs/${job.id}/inputs/0`)).status).toBe(200)
})

test('a file that somebody may still be writing is left alone', async () => {
  const service = await startTestService()
  const root = join(service.dataDir, 'jobs')
  await mkdir(join(root, 'job_new'))
  await writeFile(join(root, 'job_new', 'in-1'), 'x')
  // Started before the file was written, and looking for the first time.
  await later(service, -dayMs, 30)
  expect(await folders(service)).toContain('job_new')
})
