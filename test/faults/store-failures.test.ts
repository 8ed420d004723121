import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdir, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, type TestContext, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { testFolder } from '../support/folder.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import {
  type Answer,
  asJson,
  attach,
  base64Result,
  call,
  damage,
  followRequests,
  jobsByPrompt,
  type Provider,
  type Settings,
  settingsFor,
  startProvider,
  submittedTwice,
  threadsOf,
  tracingProblem,
  tryCall,
} from './support.ts'

const image = dataUrl(await picture())

function skipWithoutStrace(context: TestContext): void {
  const problem = tracingProblem()
  if (problem !== null) context.skip(problem)
}

const postJob = (service: ServiceProcess, prompt: string, withUpload = false) =>
  tryCall(
    `${service.url}/jobs`,
    asJson(withUpload ? { prompt, image, model: 'gpt-image-1' } : { prompt, image: 'https://example.com/a.png' }),
  )

const failedResult = { success: false, error: { code: 'api_error', message: 'no picture' } }

const postCallback = (provider: Provider, prompt: string, withPicture = false) =>
  tryCall(provider.submitOf(prompt)?.callbackUrl ?? '', asJson(withPicture ? base64Result(randomBytes(40_000)) : failedResult))

/** Takes so many jobs, whose callbacks are still to come. */
async function takeJobs(service: ServiceProcess, count: number): Promise<string[]> {
  const prompts = Array.from({ length: count }, (_, index) => `before-${index}`)
  for (const prompt of prompts) expect((await postJob(service, prompt))?.status).toBe(202)
  return prompts
}

/** What was acknowledged is there, nothing is half there, and nothing was submitted that has no row. */
function expectNothingLost(settings: Settings, provider: Provider, jobs: readonly string[], ended: readonly string[]): void {
  const rows = jobsByPrompt(settings.DATA_DIR)
  for (const prompt of jobs) expect(rows.has(prompt), prompt).toBe(true)
  for (const prompt of ended) expect(rows.get(prompt)?.status, prompt).toMatch(/succeeded|failed/)
  expect(provider.submits.filter(submit => !rows.has(submit.prompt))).toEqual([])
  expect(submittedTwice(provider)).toEqual([])
  expect(damage(settings.DATA_DIR)).toEqual([])
}

const statusOf = (answer: Answer | null): number | null => answer?.status ?? null
const withStatus = (prompts: readonly string[], answers: readonly (Answer | null)[], status: number): string[] =>
  prompts.filter((_, index) => answers[index]?.status === status)

test.for([1, 2, 3])(
  'a log that cannot be synced, at its sync %i, ends the process, and nothing that was acknowledged is lost',
  async (count, context) => {
    skipWithoutStrace(context)
    const provider = await startProvider()
    const requests = await followRequests()
    const settings = await settingsFor(provider, requests.settings)
    const service = await startProcess(settings)
    const before = await takeJobs(service, 8)
    const exited = once(service.child, 'exit')
    await attach(threadsOf(service.child.pid ?? 0, 'WorkerThread'), [
      '-e',
      'trace=fsync',
      '-e',
      `inject=fsync:error=EIO:when=${count}+`,
    ])

    const after = Array.from({ length: 8 }, (_, index) => `after-${index}`)
    const [jobs, callbacks] = await Promise.all([
      Promise.all(after.map((prompt, index) => postJob(service, prompt, index % 2 === 0))),
      Promise.all(before.map((prompt, index) => postCallback(provider, prompt, index % 2 === 0))),
    ])
    const answeredAt = performance.now()
    const [code] = await exited
    const exitMs = performance.now() - answeredAt
    // null: it came when the process did not listen any more.
    for (const answer of jobs) expect([202, 503, null]).toContain(statusOf(answer))
    for (const answer of callbacks) expect([200, 503, null]).toContain(statusOf(answer))
    const all = [...jobs, ...callbacks]
    const refused = all.filter(answer => answer?.status === 503).length
    if (count === 1) expect(all.filter(answer => answer !== null && answer.status !== 503)).toEqual([])
    if (count === 1) expect(refused).toBeGreaterThan(0)
    expect(requests.unanswered()).toEqual([])
    expect(code).toBe(1)
    console.info(
      `sync ${count}: ${refused} × 503, ${all.filter(answer => answer === null).length} unanswered, exit after ${Math.round(exitMs)} ms`,
    )

    const again = await startProcess(settings)
    expectNothingLost(settings, provider, [...before, ...withStatus(after, jobs, 202)], withStatus(before, callbacks, 200))
    expect((await postJob(again, 'the next one'))?.status).toBe(202)
  },
)

test('a picture whose file cannot be synced is refused, leaves nothing behind, and the service goes on', async context => {
  skipWithoutStrace(context)
  const provider = await startProvider()
  const settings = await settingsFor(provider)
  const service = await startProcess(settings)
  const [prompt = ''] = await takeJobs(service, 1)
  const tracer = await attach([service.child.pid ?? 0], ['-f', '-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO'])
  const job = await postJob(service, 'a job', true)
  const callback = await postCallback(provider, prompt, true)
  expect(job?.status).toBe(503)
  expect(callback?.status).toBe(503)
  await tracer.detach()
  expect((await postJob(service, 'another job', true))?.status).toBe(202)
  expect((await postCallback(provider, prompt, true))?.status).toBe(200)
  expectNothingLost(settings, provider, [prompt, 'another job'], [prompt])
  expect(jobsByPrompt(settings.DATA_DIR).has('a job')).toBe(false)
})

test('a sync that fails in the midst of a large picture is not forgotten, although the last one succeeds', async context => {
  skipWithoutStrace(context)
  const provider = await startProvider()
  // One thread for files, so that only the first of its syncs fails.
  const settings = { ...(await settingsFor(provider)), UV_THREADPOOL_SIZE: '1' }
  const service = await startProcess(settings)
  const [prompt = ''] = await takeJobs(service, 1)
  const large = asJson(base64Result(randomBytes(9_000_000)))
  const post = () => tryCall(provider.submitOf(prompt)?.callbackUrl ?? '', large)
  const tracer = await attach(
    [service.child.pid ?? 0],
    ['-f', '-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO:when=1'],
  )
  expect((await post())?.status).toBe(503)
  expect((await post())?.status).toBe(200)
  await tracer.detach()
  expectNothingLost(settings, provider, [prompt], [prompt])
})

/** What a service does without room on its disk, and once there is room again. */
async function expectToSitOut(
  service: ServiceProcess,
  settings: Settings,
  provider: Provider,
  fill: () => Promise<void>,
  makeRoom: () => Promise<void>,
): Promise<void> {
  const before = await takeJobs(service, 4)
  const [first = '', ...others] = before
  const { id } = JSON.parse((await postJob(service, 'shown'))?.text ?? '{}') as JobView
  await fill()
  for (const withUpload of [true, false]) {
    const refused = await postJob(service, `full-${withUpload}`, withUpload)
    expect(refused?.status, refused?.text).toBe(507)
    expect(refused?.text).toContain('storage_full')
    const callback = await postCallback(provider, first, withUpload)
    expect(callback?.status, callback?.text).toBe(507)
  }
  expect((await call(`${service.url}/jobs/${id}`)).status).toBe(200)
  expect((await call(`${service.url}/jobs`)).status).toBe(200)
  expect((await call(`${service.url}/healthz`)).status).toBe(200)
  expect(provider.submits.filter(submit => submit.prompt.startsWith('full'))).toEqual([])
  const { length: folders } = await readdir(join(settings.DATA_DIR, 'jobs')).catch(() => [])
  expect(folders, 'a refused job has left its folder').toBe(0)
  await makeRoom()
  for (const [index, prompt] of [first, ...others].entries())
    expect((await postCallback(provider, prompt, index % 2 === 0))?.status).toBe(200)
  for (const withUpload of [true, false]) expect((await postJob(service, `room-${withUpload}`, withUpload))?.status).toBe(202)
  expectNothingLost(settings, provider, [...before, 'shown', 'room-true', 'room-false'], before)
  await service.end('SIGKILL')
  await startProcess(settings)
  expectNothingLost(settings, provider, [...before, 'shown', 'room-true', 'room-false'], before)
  for (const refused of ['full-true', 'full-false']) expect(jobsByPrompt(settings.DATA_DIR).has(refused)).toBe(false)
}

test('without room for any write, jobs and callbacks are refused with 507, reads go on, and with room all goes on', async context => {
  skipWithoutStrace(context)
  const provider = await startProvider()
  const settings = await settingsFor(provider)
  const service = await startProcess(settings)
  const args = ['-f', '-e', 'trace=pwrite64', '-e', 'inject=pwrite64:error=ENOSPC']
  let tracer: Awaited<ReturnType<typeof attach>> | null = null
  await expectToSitOut(
    service,
    settings,
    provider,
    async () => {
      tracer = await attach([service.child.pid ?? 0], args)
    },
    async () => tracer?.detach(),
  )
})

test('on a disk that is really full likewise', async context => {
  const folder = await testFolder()
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'darkroom-test', folder])
  if (mounted.status !== 0) return context.skip('a file system of its own cannot be mounted here')
  onTestFinished(() => {
    spawnSync('umount', ['-l', folder])
  })
  const provider = await startProvider()
  const settings = await settingsFor(provider, { DATA_DIR: folder })
  const service = await startProcess(settings)
  const filler = join(folder, 'filler')
  await expectToSitOut(
    service,
    settings,
    provider,
    async () => {
      const { bavail, bsize } = await statfs(folder)
      await writeFile(filler, Buffer.alloc(bavail * bsize))
    },
    () => rm(filler),
  )
})
