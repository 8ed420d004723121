import { spawnSync } from 'node:child_process'
import { appendFile, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, type TestContext, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { testFolder } from '../support/folder.ts'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import { asJson, call, damage, jobsByPrompt, look, settingsFor, startProvider, tryCall } from './support.ts'

/** A small file system of its own, for a data folder; null: none can be mounted here. */
async function smallDisk(context: TestContext): Promise<string> {
  const folder = await testFolder()
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'darkroom-test', folder])
  if (mounted.status !== 0) return context.skip('a file system of its own cannot be mounted here')
  onTestFinished(() => {
    spawnSync('umount', ['-l', folder])
  })
  return folder
}

/** Takes all the room that there still is. */
async function fill(folder: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  await appendFile(join(folder, 'filler'), Buffer.alloc(bavail * bsize))
}

const post = (service: ServiceProcess, prompt: string) =>
  call(`${service.url}/jobs`, asJson({ prompt, image: 'https://example.com/a.png' }))

/** The reserve is made in the background, once. */
async function reserved(folder: string): Promise<void> {
  await expect.poll(() => spawnSync('test', ['-e', join(folder, 'reserve')]).status, { timeout: 20_000 }).toBe(0)
}

test('after a proper stop it starts on a full disk, again and again, reads go on, and with room all goes on', async context => {
  const folder = await smallDisk(context)
  const provider = await startProvider()
  const settings = await settingsFor(provider, { DATA_DIR: folder })
  const first = await startProcess(settings)
  const { id } = JSON.parse((await post(first, 'before')).text) as JobView
  await reserved(folder)
  expect(await first.end('SIGTERM')).toBe(0)

  for (let count = 0; count < 3; count += 1) {
    await fill(folder)
    const service = await startProcess(settings)
    expect((await call(`${service.url}/jobs/${id}`)).status).toBe(200)
    expect((await call(`${service.url}/readyz`)).status).toBe(200)
    await fill(folder)
    expect((await post(service, `full-${count}`)).status).toBe(507)
    expect(await service.end('SIGTERM')).toBe(0)
  }

  await rm(join(folder, 'filler'))
  const last = await startProcess(settings)
  expect((await post(last, 'after')).status).toBe(202)
  expect(jobsByPrompt(folder).has('before')).toBe(true)
  expect(damage(folder)).toEqual([])
})

test('on a full disk it also starts after a kill, and what was being submitted is not submitted again', async context => {
  const folder = await smallDisk(context)
  const arrived = Promise.withResolvers<void>()
  const provider = await startProvider({ silent: true, arrived: () => arrived.resolve() })
  const settings = await settingsFor(provider, { DATA_DIR: folder })
  const first = await startProcess(settings)
  await reserved(folder)
  const posted = tryCall(`${first.url}/jobs`, asJson({ prompt: 'lost', image: 'https://example.com/a.png' }))
  await arrived.promise
  expect(await first.end('SIGKILL')).toBe('SIGKILL')
  await posted
  await fill(folder)

  const service = await startProcess(settings)
  await expect
    .poll(() => look(folder, database => database.prepare('select status from tasks').pluck().all()), { timeout: 20_000 })
    .toEqual(['unconfirmed'])
  expect(await service.end('SIGTERM')).toBe(0)
  expect(provider.submits).toHaveLength(1)
})
