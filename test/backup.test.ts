import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, cp, mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { backUp } from '../src/backup.ts'
import type { JobView } from '../src/domain/view.ts'
import { testFolder } from './support/folder.ts'
import { dataUrl, picture } from './support/pictures.ts'
import { type Running, startTestService } from './support/service.ts'

async function finish(service: Running, model: string): Promise<JobView> {
  const { id } = (await (await service.submit({ prompt: 'dark', image: dataUrl(await picture()), model })).json()) as JobView
  await service.ended(id)
  // Asked for once, a picture that came as a URL has been copied.
  expect((await service.call(`/jobs/${id}/images/0`)).status).toBe(200)
  return (await (await service.call(`/jobs/${id}`)).json()) as JobView
}

test('a backup of a running service holds every acknowledged result, and a restored one shows them', async () => {
  const dataDir = await testFolder()
  const service = await startTestService({ DATA_DIR: dataDir })
  const jobs = [await finish(service, 'gpt-image-1'), await finish(service, 'gpt-image-2')]
  // Written to while the backup is made.
  const later = finish(service, 'nano-banana')
  const target = join(await testFolder(), 'backup')
  const report = await backUp(dataDir, target)
  expect(report.files).toBeGreaterThanOrEqual(4)
  expect(report.gone).toBe(0)
  await later

  const restored = await testFolder()
  await cp(target, restored, { recursive: true })
  const again = await startTestService({ DATA_DIR: restored })
  for (const job of jobs) {
    const shown = (await (await again.call(`/jobs/${job.id}`)).json()) as JobView
    expect(shown).toMatchObject({ status: 'succeeded', tasks: job.tasks, completed_at: job.completed_at })
    const [image] = shown.result?.data ?? []
    // The secret was restored too: a URL that was given out before still opens.
    const given = new URL(job.result?.data[0]?.url ?? '')
    const bytes = Buffer.from(await (await again.call(given.pathname + given.search)).arrayBuffer())
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(image?.sha256)
  }
})

test('what waited in line when the backup was made is not submitted after a restore: it may have been since', async () => {
  const dataDir = await testFolder()
  const service = await startTestService({ DATA_DIR: dataDir, SANDBOX_FAULTS: 'always-429' })
  const { id } = (await (await service.submit({ prompt: 'dark', image: 'https://example.com/a.png' })).json()) as JobView
  const target = join(await testFolder(), 'backup')
  await backUp(dataDir, target)
  expect((await service.call(`/jobs/${id}`)).status).toBe(200)

  const again = await startTestService({ DATA_DIR: target })
  const shown = (await (await again.call(`/jobs/${id}`)).json()) as JobView
  expect(shown).toMatchObject({ status: 'processing', cost: { billable: 'unknown' }, tasks: [{ status: 'unconfirmed' }] })
  // Whatever waits is submitted before this, which was taken later.
  await finish(again, 'gpt-image-1')
  expect(again.sandbox?.submits.map(one => one.prompt)).toEqual(['dark'])
  expect(again.sandbox?.submits[0]?.model).toBe('gpt-image-1')
})

test('a callback URL that was given out after the backup leads to no other task after a restore', async () => {
  const dataDir = await testFolder()
  const service = await startTestService({ DATA_DIR: dataDir, SANDBOX_FAULTS: 'lost' })
  const submit = async (running: Running): Promise<JobView> =>
    (await (await running.submit({ prompt: 'dark', image: dataUrl(await picture()) })).json()) as JobView
  await submit(service)
  const target = join(await testFolder(), 'backup')
  await backUp(dataDir, target)
  await submit(service)
  const lost = new URL(service.sandbox?.submits[1]?.callbackUrl ?? '').pathname

  const again = await startTestService({ DATA_DIR: target, SANDBOX_FAULTS: 'lost' })
  const next = await submit(again)
  const body = JSON.stringify({ success: true, data: [{ url: 'https://example.com/of-somebody-else.png' }] })
  expect((await again.call(lost, { method: 'POST', body })).status).toBe(404)
  expect((await (await again.call(`/jobs/${next.id}`)).json()) as JobView).toMatchObject({ status: 'processing', result: null })
})

test('while a backup is made nothing old is removed, and afterwards it goes', async () => {
  const service = await startTestService({})
  const job = await finish(service, 'gpt-image-1')
  const completedBefore = Date.parse(job.completed_at ?? '') + 1
  const { openDatabase } = await import('../src/store/open.ts')
  const { hold } = await import('../src/store/snapshot.ts')
  const database = openDatabase(join(service.dataDir, 'darkroom.db'), 'writer')
  hold(database, 2_000)
  expect(await service.store.heldUntil(1_000)).toBe(2_000)
  expect(await service.store.dropJobs({ completedBefore, limit: 10, now: 1_000 })).toEqual([])
  hold(database, 0)
  database.close()
  expect(await service.store.heldUntil(1_000)).toBeNull()
  expect(await service.store.dropJobs({ completedBefore, limit: 10, now: 1_000 })).toEqual([job.id])
})

test('a backup is refused where there is nothing to back up, or one already', async () => {
  const empty = await testFolder()
  await expect(backUp(empty, join(empty, 'backup'))).rejects.toThrow(/DATA_DIR/)
  const service = await startTestService({})
  const target = join(await testFolder(), 'backup')
  await backUp(service.dataDir, target)
  await expect(backUp(service.dataDir, target)).rejects.toThrow(/another folder/)
})

test('what a backup writes is its owner’s alone, in a folder that is open to others too', async () => {
  const service = await startTestService({})
  await finish(service, 'gpt-image-1')
  const target = join(await testFolder(), 'backup')
  await mkdir(target)
  await chmod(target, 0o755)
  const program = join(import.meta.dirname, '..', 'src', 'backup.ts')
  const env = { ...process.env, DATA_DIR: service.dataDir }
  // However generous the mask is that it inherits.
  await promisify(execFile)('sh', ['-c', `umask 000 && exec "$0" "$@"`, process.execPath, program, target], { env })
  const names = await readdir(target)
  expect(names.toSorted()).toEqual(['darkroom.db', 'jobs', 'secret'])
  for (const name of names) expect([name, (await stat(join(target, name))).mode & 0o077]).toEqual([name, 0])
  const [job = ''] = await readdir(join(target, 'jobs'))
  expect((await stat(join(target, 'jobs', job))).mode & 0o077).toBe(0)
})
