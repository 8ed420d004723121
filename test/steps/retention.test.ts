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
  let uptimeMs = 0
  const blobs = await openDisk(join(service.dataDir, 'jobs'), () => uptimeMs)
  uptimeMs = Math.max(0, ms)
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

test('what an earlier process left is kept for a day, however the clocks of the disk and of the machine differ', async () => {
  const service = await startTestService()
  const root = join(service.dataDir, 'jobs')
  await mkdir(join(root, 'job_new'))
  await writeFile(join(root, 'job_new', 'in-1'), 'x')
  for (const aheadMs of [-dayMs, 0, 20_000, 2 * dayMs]) {
    const clock = testClock(Date.now() + aheadMs)
    const step = startRetention({ store: service.store, blobs: await openDisk(root), clock, log: testLog(), retentionDays: 30 })
    await step.pass()
    await step.close()
  }
  expect(await folders(service)).toContain('job_new')
})

test('what this process is making is its own, however far its clock is ahead of the disk’s', async () => {
  const service = await startTestService()
  const blobs = await openDisk(join(service.dataDir, 'jobs'))
  const open = blobs.create('job_open', 'in')
  // More than it keeps in memory, so that there is a file.
  await open.write(Buffer.alloc(600_000))
  await open.write(Buffer.alloc(600_000))
  const made = blobs.create('job_made', 'in')
  await made.write(Buffer.from('x'))
  const { name } = await made.finish()
  const clock = testClock(Date.now() + 2 * dayMs)
  const step = startRetention({ store: service.store, blobs, clock, log: testLog(), retentionDays: 30 })
  await step.pass()
  await step.close()
  const file = await open.finish()
  expect(await tree(service)).toEqual(expect.arrayContaining([`job_open/${file.name}`, `job_made/${name}`]))
})
