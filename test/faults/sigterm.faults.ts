import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { startProcess } from '../support/process.ts'
import {
  asJson,
  base64Result,
  call,
  damage,
  followRequests,
  jobsByPrompt,
  settingsFor,
  sha256,
  startProvider,
  submittedTwice,
  tryCall,
} from './support.ts'

const clients = 16
const jobsBefore = 200
const image = dataUrl(await picture())
const bytes = await picture({ width: 64, height: 64 })

type Noted = { prompt: string; jobId: string; ended: boolean }

test('told to stop under load, it answers all that it had taken, ends with 0 in time, and has it all after a restart', async () => {
  const provider = await startProvider()
  const requests = await followRequests()
  const settings = await settingsFor(provider, requests.settings)
  const service = await startProcess(settings)
  const noted: Noted[] = []
  /** Prompts of jobs that were posted and not answered. */
  const unanswered: string[] = []
  const wrong: string[] = []
  const busy = Promise.withResolvers<void>()
  let reads = 0
  let terminatedAt = Number.POSITIVE_INFINITY
  const failedBefore: string[] = []

  /** One request; null where there was no answer, which it may come to only once the service was told to stop. */
  async function ask(path: string, options: Parameters<typeof call>[1], expected: number) {
    const url = path.startsWith('http') ? path : `${service.url}${path}`
    const answer = await tryCall(url, options)
    if (answer === null && performance.now() < terminatedAt) failedBefore.push(path)
    if (answer !== null && answer.status !== expected) wrong.push(`${path}: ${answer.status} ${answer.text.slice(0, 100)}`)
    return answer
  }

  async function client(name: string): Promise<void> {
    for (let count = 0; ; count += 1) {
      const prompt = `${name}-${count}`
      const body = count % 2 === 0 ? { prompt, image, model: 'gpt-image-1' } : { prompt, image: 'https://example.com/a.png' }
      const accepted = await ask('/jobs', asJson(body), 202)
      if (accepted === null) {
        unanswered.push(prompt)
        return
      }
      const { id } = JSON.parse(accepted.text) as JobView
      const entry: Noted = { prompt, jobId: id, ended: false }
      noted.push(entry)
      if (noted.length === jobsBefore) busy.resolve()
      if ((await ask(`/jobs/${id}`, {}, 200)) === null) return
      reads += 1
      const submit = provider.submitOf(prompt)
      if (submit === undefined) continue
      if ((await ask(submit.callbackUrl, asJson(base64Result(bytes)), 200)) === null) return
      entry.ended = true
    }
  }

  const working = Array.from({ length: clients }, (_, index) => client(`${index}`))
  // Two that wait for what does not come, and sockets that say nothing, or not all.
  const { id } = JSON.parse(
    (await call(`${service.url}/jobs`, asJson({ prompt: 'waited for', image: 'https://example.com/a.png' }))).text,
  ) as JobView
  const held = [call(`${service.url}/jobs/${id}?wait=60`), call(`${service.url}/jobs/${id}?wait=60`)]
  const beginnings = [
    '',
    'GET /jobs HTTP/1.1\r\nhost: x\r\n',
    'POST /jobs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"prompt"',
  ]
  const begun = beginnings
    .flatMap(beginning => [beginning, beginning])
    .map(async beginning => {
      const socket = connect(Number(settings.PORT), '127.0.0.1').on('error', () => {})
      onTestFinished(() => void socket.destroy())
      await new Promise<void>(resolve => socket.write(beginning, () => resolve()))
    })
  await Promise.all(begun)
  await busy.promise

  terminatedAt = performance.now()
  const beforeTheEnd = noted.length
  const code = await service.end('SIGTERM')
  const tookMs = performance.now() - terminatedAt
  await Promise.all(working)
  expect(code).toBe(0)
  // 10 s, and what a machine adds that does much else besides.
  expect(tookMs).toBeLessThan(60_000)
  for (const answer of await Promise.all(held)) expect(JSON.parse(answer.text)).toMatchObject({ id, status: 'processing' })
  expect(wrong).toEqual([])
  expect(failedBefore).toEqual([])
  expect(requests.unanswered()).toEqual([])
  // What was not answered was not taken either.
  const rows = jobsByPrompt(settings.DATA_DIR)
  expect(unanswered.filter(prompt => rows.has(prompt))).toEqual([])

  await startProcess(settings)
  const after = jobsByPrompt(settings.DATA_DIR)
  for (const { prompt, jobId, ended } of noted)
    expect(after.get(prompt)).toMatchObject(ended ? { id: jobId, status: 'succeeded', sha256: sha256(bytes) } : { id: jobId })
  expect(submittedTwice(provider)).toEqual([])
  expect(damage(settings.DATA_DIR)).toEqual([])
  console.info(
    `ended after ${Math.round(tookMs)} ms; ${noted.length} jobs (${noted.length - beforeTheEnd} of them after the signal), ` +
      `${noted.filter(entry => entry.ended).length} results and ${reads} reads answered, ${unanswered.length} jobs not taken any more`,
  )
})
