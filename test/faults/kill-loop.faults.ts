import { randomBytes, randomInt } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import {
  asJson,
  base64Result,
  call,
  damage,
  jobsByPrompt,
  type Provider,
  percentile,
  settingsFor,
  sha256,
  startProvider,
  submittedTwice,
  tryCall,
} from './support.ts'

const rounds = 40
const writers = 16

/** What the service said that it has. */
type Acknowledged = { prompt: string; jobId: string; taskId: string | null; sha256: string | null }

const image = dataUrl(await picture())

/** Posts jobs and their results, one after the other, until the service is gone. */
async function write(
  service: ServiceProcess,
  provider: Provider,
  name: string,
  note: (entry: Acknowledged) => void,
): Promise<void> {
  for (let count = 0; ; count += 1) {
    const prompt = `${name}-${count}`
    const withUpload = count % 2 === 0
    const job = await tryCall(
      `${service.url}/jobs`,
      asJson(withUpload ? { prompt, image, model: 'gpt-image-1' } : { prompt, image: 'https://example.com/a.png' }),
    )
    if (job === null) return
    expect(job.status, job.text).toBe(202)
    const { id, task_id: taskId } = JSON.parse(job.text) as JobView
    const entry: Acknowledged = { prompt, jobId: id, taskId, sha256: null }
    note(entry)
    const submit = provider.submitOf(prompt)
    if (submit === undefined) continue
    const bytes = randomBytes(withUpload ? 100_000 : 1_000)
    const callback = await tryCall(submit.callbackUrl, asJson(base64Result(bytes)))
    if (callback === null) return
    expect(callback.status, callback.text).toBe(200)
    entry.sha256 = sha256(bytes)
  }
}

async function missing(service: ServiceProcess, { jobId, taskId, sha256: hash }: Acknowledged): Promise<string | null> {
  const { status, text } = await call(`${service.url}/jobs/${jobId}`)
  if (status !== 200) return `${jobId} answers ${status}`
  const job = JSON.parse(text) as JobView
  if (taskId !== null && job.task_id !== taskId) return `${jobId} has forgotten that it is ${taskId} at the provider`
  if (hash === null || (job.status === 'succeeded' && job.result?.data[0]?.sha256 === hash)) return null
  return `${jobId} is ${job.status}, with the picture ${job.result?.data[0]?.sha256}`
}

test(`killed ${rounds} times at any moment, it comes back, misses nothing that was acknowledged and submits nothing twice`, async () => {
  const provider = await startProvider()
  const settings = await settingsFor(provider)
  const all: Acknowledged[] = []
  const startsMs: number[] = []
  const start = async (): Promise<ServiceProcess> => {
    const startedAt = performance.now()
    const service = await startProcess(settings)
    startsMs.push(performance.now() - startedAt)
    return service
  }
  let service = await start()
  for (let round = 0; round < rounds; round += 1) {
    const noted: Acknowledged[] = []
    const busy = Promise.withResolvers<void>()
    const note = (entry: Acknowledged): void => {
      noted.push(entry)
      busy.resolve()
    }
    const writing = Array.from({ length: writers }, (_, writer) => write(service, provider, `${round}-${writer}`, note))
    await busy.promise
    await pause(randomInt(50, 400))
    expect(await service.end('SIGKILL')).toBe('SIGKILL')
    await Promise.all(writing)

    service = await start()
    const problems: (string | null)[] = []
    for (const entry of noted) problems.push(await missing(service, entry))
    expect(problems.filter(problem => problem !== null)).toEqual([])
    expect(damage(settings.DATA_DIR)).toEqual([])
    expect(submittedTwice(provider)).toEqual([])
    all.push(...noted)
  }
  expect(await service.end('SIGTERM')).toBe(0)
  const jobs = jobsByPrompt(settings.DATA_DIR)
  for (const { prompt, jobId, sha256: hash } of all) {
    expect(jobs.get(prompt)).toMatchObject(hash === null ? { id: jobId } : { id: jobId, status: 'succeeded', sha256: hash })
  }
  expect(provider.submits.filter(submit => !jobs.has(submit.prompt))).toEqual([])

  const results = all.filter(entry => entry.sha256 !== null).length
  console.info(
    `${all.length} jobs and ${results} results acknowledged, ${provider.submits.length} submits; ready after ` +
      `${percentile(startsMs, 0.5)} ms (median), ${percentile(startsMs, 1)} ms (longest)`,
  )
  expect(results).toBeGreaterThan(rounds)
})
