import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
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
  type Settings,
  settingsFor,
  sha256,
  startProvider,
  tryCall,
  urlResult,
} from './support.ts'

const image = dataUrl(await picture())
const bytes = await picture({ width: 64, height: 64 })
const prompt = 'dark'
const quick = { POLL_AFTER_S: '1', POLL_EVERY_S: '1' }

const post = (service: ServiceProcess, model = 'gpt-image-1') => tryCall(`${service.url}/jobs`, asJson({ prompt, image, model }))

/** What became of the one job after the service was started again: the picture is there, and it was submitted once. */
async function expectOnePicture(settings: Settings, provider: Provider, expected = bytes): Promise<JobView> {
  const service = await startProcess(settings)
  const jobs = [...jobsByPrompt(settings.DATA_DIR).values()]
  expect(jobs).toHaveLength(1)
  const { text } = await call(`${service.url}/jobs/${jobs[0]?.id}?wait=90`)
  const job = JSON.parse(text) as JobView
  expect(job).toMatchObject({ status: 'succeeded', tasks: [{ attempts: 1 }] })
  expect((await call(`${service.url}/jobs/${job.id}/images/0`)).status).toBe(200)
  expect(jobsByPrompt(settings.DATA_DIR).get(prompt)?.sha256).toBe(sha256(expected))
  expect(provider.submits).toHaveLength(1)
  expect(damage(settings.DATA_DIR)).toEqual([])
  return job
}

test('killed when the submit has come whole and nothing was answered: it is found at the provider, and not sent again', async () => {
  const provider = await startProvider({ result: () => base64Result(bytes) })
  const settings = await settingsFor(provider, quick)
  const service = await startProcess(settings)
  provider.hooks.arrived = () => service.child.kill('SIGKILL')
  expect(await post(service)).toBeNull()
  const job = await expectOnePicture(settings, provider)
  expect(job.tasks[0]).toMatchObject({ source: 'poll', task_id: provider.submits[0]?.taskId })
})

test('killed when the answer to the submit has just left: likewise', async () => {
  const provider = await startProvider({ result: () => base64Result(bytes) })
  const settings = await settingsFor(provider, quick)
  const service = await startProcess(settings)
  provider.hooks.answered = () => service.child.kill('SIGKILL')
  await post(service)
  const job = await expectOnePicture(settings, provider)
  expect(job.tasks[0]?.task_id).toBe(provider.submits[0]?.taskId)
})

test('killed after a submit that was never answered, a callback still ends the job', async () => {
  const provider = await startProvider()
  const settings = await settingsFor(provider)
  const service = await startProcess(settings)
  provider.hooks.arrived = () => service.child.kill('SIGKILL')
  await post(service)
  const again = await startProcess(settings)
  const callback = await call(provider.submits[0]?.callbackUrl ?? '', asJson(base64Result(bytes)))
  expect(callback.status).toBe(200)
  await again.end('SIGKILL')
  const job = await expectOnePicture(settings, provider)
  expect(job.tasks[0]?.source).toBe('callback')
})

test('killed in the midst of copying a picture, it copies it after the restart', async () => {
  const provider = await startProvider()
  const settings = await settingsFor(provider, quick)
  const service = await startProcess(settings)
  expect((await post(service, 'gpt-image-2'))?.status).toBe(202)
  // Half of the picture, and then nothing more.
  const asked = Promise.withResolvers<void>()
  provider.hooks.file = response => {
    response.writeHead(200, { 'content-type': 'image/png', 'content-length': bytes.length })
    response.write(bytes.subarray(0, bytes.length / 2), () => asked.resolve())
  }
  const callback = await call(provider.submits[0]?.callbackUrl ?? '', asJson(urlResult(`${provider.url}/a.png`)))
  expect(callback.status).toBe(200)
  await asked.promise
  await service.end('SIGKILL')
  provider.hooks.file = response => response.end(bytes)
  await expectOnePicture(settings, provider)
})

test('killed when the answer to a callback has just come: the picture stays', async () => {
  const provider = await startProvider()
  const settings = await settingsFor(provider)
  const service = await startProcess(settings)
  await post(service)
  const callback = await call(provider.submits[0]?.callbackUrl ?? '', asJson(base64Result(bytes)))
  service.child.kill('SIGKILL')
  expect(callback.status).toBe(200)
  await service.end('SIGKILL')
  const job = await expectOnePicture(settings, provider)
  expect(job.tasks[0]?.source).toBe('callback')
})

/** Sends a POST, and does something when its last byte has left, and something when the first of its answer comes. */
function sendWhole(url: string, body: string, sent: () => void, answered: () => void): Promise<void> {
  const { hostname, port, pathname } = new URL(url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  socket.on('data', answered)
  socket.write(`POST ${pathname} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`, sent)
  return new Promise(resolve => socket.once('close', () => resolve()))
}

test.for([
  ['1 kB', 1_000],
  ['8 MB', 8 * 2 ** 20],
] as const)(
  'killed when the last byte of a callback with %s has left and before it is answered: the picture comes all the same',
  async ([, sizeBytes]) => {
    const large = randomBytes(sizeBytes)
    const provider = await startProvider({ result: () => base64Result(large) })
    // Asked for late enough that the callback comes first.
    const settings = await settingsFor(provider, { ...quick, POLL_AFTER_S: '3' })
    const service = await startProcess(settings)
    await post(service)
    const { callbackUrl } = provider.submits[0] ?? { callbackUrl: '' }
    let answered = false
    const kill = (): void => void service.child.kill('SIGKILL')
    const note = (): void => {
      answered = true
    }
    await sendWhole(callbackUrl, JSON.stringify(base64Result(large)), kill, note)
    await service.end('SIGKILL')
    expect(answered).toBe(false)
    await expectOnePicture(settings, provider, large)
  },
)
