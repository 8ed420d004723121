import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, onTestFinished, type TestContext, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { picture } from '../support/pictures.ts'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import {
  asJson,
  attach,
  base64Result,
  call,
  damage,
  jobsByPrompt,
  type Provider,
  type Settings,
  settingsFor,
  sha256,
  startProvider,
  submittedTwice,
  threadsOf,
  tracingProblem,
  tryCall,
} from './support.ts'

/*
 * The service is killed on its way into one call of the operating system after the other. strace counts the calls of each
 * thread for itself, so that each thread has its turn: SQLite commits with fsync, in the writer's thread, and while it starts
 * in the main one; files are written, synced and renamed in the pool's, which has but one here.
 */
const oneInThePool = { UV_THREADPOOL_SIZE: '1' }
const settled = { POLL_AFTER_S: '0', POLL_EVERY_S: '1' }
const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const upload = await picture()
/** More than this many calls of one kind there are not in a start or a job. */
const enough = 60

type Run = { prompt: string; picture: Buffer; jobId: string | null; applied: boolean }

function form(prompt: string): FormData {
  const fields = new FormData()
  fields.set('prompt', prompt)
  fields.set('model', 'gpt-image-1')
  fields.set('image', new Blob([new Uint8Array(upload)], { type: 'image/png' }), 'a.png')
  return fields
}

/** One whole job, as far as the service gets with it: an uploaded picture in, a base64 one back. */
async function runJob(url: string, provider: Provider, prompt: string): Promise<Run> {
  const run: Run = { prompt, picture: randomBytes(5_000), jobId: null, applied: false }
  const encoded = new Request(url, { method: 'POST', body: form(prompt) })
  const body = Buffer.from(await encoded.arrayBuffer())
  const headers = { 'content-type': encoded.headers.get('content-type') ?? '' }
  const accepted = await tryCall(`${url}/jobs`, { method: 'POST', headers, body })
  if (accepted === null) return run
  expect(accepted.status, accepted.text).toBe(202)
  run.jobId = (JSON.parse(accepted.text) as JobView).id
  const submit = provider.submitOf(prompt)
  expect(submit).toBeDefined()
  const callback = await tryCall(submit?.callbackUrl ?? '', asJson(base64Result(run.picture)))
  if (callback === null) return run
  expect(callback.status, callback.text).toBe(200)
  run.applied = true
  return run
}

/** What a restart makes of a job in whose midst the service died, whichever moment that was. */
async function expectRight(url: string, settings: Settings, provider: Provider, run: Run): Promise<string> {
  expect(damage(settings.DATA_DIR)).toEqual([])
  expect(submittedTwice(provider)).toEqual([])
  const row = jobsByPrompt(settings.DATA_DIR).get(run.prompt)
  const submitted = (): boolean => provider.submitOf(run.prompt) !== undefined
  if (row === undefined) {
    expect(run.jobId, 'a job was acknowledged and is not there').toBeNull()
    expect(submitted(), 'a job was submitted and is not there').toBe(false)
    return 'no job'
  }
  if (run.jobId !== null) expect(row.id).toBe(run.jobId)
  if (run.applied) expect(row).toMatchObject({ status: 'succeeded', sha256: sha256(run.picture) })
  // It died between the claim and the first byte: nobody can know that nothing was sent, so nothing ever is.
  if (row.task_status === 'unconfirmed' && !submitted()) return 'claimed, not sent'
  const { text } = await call(`${url}/jobs/${row.id}?wait=90`)
  expect(JSON.parse(text)).toMatchObject({ status: 'succeeded', tasks: [{ attempts: 1 }] })
  expect(jobsByPrompt(settings.DATA_DIR).get(run.prompt)?.sha256).toBe(sha256(run.picture))
  expect(submittedTwice(provider)).toEqual([])
  return row.status === 'succeeded' ? 'done' : `${row.task_status}, then done`
}

function skipWithoutStrace(context: TestContext): void {
  const problem = tracingProblem()
  if (problem !== null) context.skip(problem)
}

/** Counts how often the service died where. */
function tally(): { add(moment: string, outcome: string): void; total: () => number; text: () => string } {
  const counts = new Map<string, number>()
  return {
    add: (moment, outcome) => counts.set(`${moment}: ${outcome}`, (counts.get(`${moment}: ${outcome}`) ?? 0) + 1),
    total: () => [...counts.values()].reduce((sum, count) => sum + count, 0),
    text: () => [...counts].map(([name, count]) => `${count} × ${name}`).join('; '),
  }
}

/** Starts a service that dies on its way into its Nth call of a kind. Gives when it is ready, and when it is dead. */
function startDoomed(settings: Settings, syscall: string, count: number) {
  const args = ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${syscall}`, '-e', `inject=${syscall}:signal=SIGKILL:when=${count}`]
  const child = spawn('strace', [...args, process.execPath, main], {
    env: { PATH: process.env['PATH'], RATE_LIMIT_MAX: '100000', ...settings },
    stdio: ['ignore', 'pipe', 'ignore'],
    // A group of its own: strace takes the service with it.
    detached: true,
  })
  const ended = once(child, 'exit')
  const kill = (signal: NodeJS.Signals): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal)
    } catch {
      // It is gone.
    }
  }
  onTestFinished(async () => {
    kill('SIGKILL')
    await ended
  })
  const ready = new Promise<boolean>(resolve => {
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (output.includes('service.ready')) resolve(true)
    })
    child.once('exit', () => resolve(false))
  })
  return { ready, ended, kill }
}

test('killed at each sync of its first start, the next start mends it', async context => {
  skipWithoutStrace(context)
  const died = tally()
  for (const syscall of ['fsync', 'fdatasync', 'rename']) {
    for (let count = 1; count <= enough; count += 1) {
      const provider = await startProvider()
      const settings = await settingsFor(provider, { ...oneInThePool, ...settled })
      const doomed = startDoomed(settings, syscall, count)
      const prompt = `${syscall}-${count}`
      const wasReady = await doomed.ready
      const run: Run = wasReady
        ? await runJob(settings.PUBLIC_URL, provider, prompt)
        : { prompt, picture: randomBytes(1), jobId: null, applied: false }
      // With every step behind it, it lives.
      if (run.applied) {
        doomed.kill('SIGKILL')
        await doomed.ended
        break
      }
      await doomed.ended
      provider.hooks.result = () => base64Result(run.picture)
      const service = await startProcess(settings)
      died.add(`${syscall}, ${wasReady ? 'in the job' : 'in the start'}`, await expectRight(service.url, settings, provider, run))
      const next = await runJob(service.url, provider, 'the next one')
      expect(next.applied).toBe(true)
      expect(damage(settings.DATA_DIR)).toEqual([])
      await service.end('SIGKILL')
      expect(count, `${syscall} never ended`).toBeLessThan(enough)
    }
  }
  console.info(`died ${died.total()} times: ${died.text()}`)
  expect(died.total()).toBeGreaterThan(10)
})

test('killed at each sync, write and rename of a job, it goes on where it was', async context => {
  skipWithoutStrace(context)
  const died = tally()
  const provider = await startProvider()
  const settings = await settingsFor(provider, { ...oneInThePool, ...settled })
  let service: ServiceProcess = await startProcess(settings)
  const series = [
    ['WorkerThread', 'fsync', 1],
    // In the midst of a commit: there are many.
    ['WorkerThread', 'pwrite64', 7],
    ['libuv-worker', 'fsync', 1],
    ['libuv-worker', 'fdatasync', 1],
    ['libuv-worker', 'rename', 1],
    // On its way to the provider, with the claim behind it.
    ['MainThread', 'connect', 1],
  ] as const
  for (const [thread, syscall, step] of series) {
    for (let count = 1; count <= enough * step; count += step) {
      const threads = threadsOf(service.child.pid ?? 0, thread)
      expect(threads).toHaveLength(1)
      const tracer = await attach(threads, ['-e', `trace=${syscall}`, '-e', `inject=${syscall}:signal=SIGKILL:when=${count}`])
      delete provider.hooks.result
      const run = await runJob(service.url, provider, `${thread}-${syscall}-${count}`)
      if (run.applied) {
        await tracer.detach()
        break
      }
      expect(await service.end('SIGKILL')).toBe('SIGKILL')
      // The provider calls back once: what was lost on its way is asked for.
      provider.hooks.result = submit => (submit.prompt === run.prompt ? base64Result(run.picture) : null)
      service = await startProcess(settings)
      died.add(`${syscall} of ${thread}`, await expectRight(service.url, settings, provider, run))
      expect(count, `${syscall} of ${thread} never ended`).toBeLessThan(enough * step)
    }
  }
  console.info(`died ${died.total()} times: ${died.text()}`)
  expect(died.total()).toBeGreaterThan(10)
})
