import { expect, onTestFinished, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { startProcess } from '../support/process.ts'
import { asJson, call, damage, look, settingsFor } from './support.ts'

const jobCount = 150
const clients = 16
const maxInFlight = 50

const models = ['gpt-image-1', 'gpt-image-2', 'nano-banana']
const image = dataUrl(await picture())

const callbacksOf = (dataDir: string, outcome: string): number =>
  look(dataDir, database => Number(database.prepare('select count(*) from callbacks where outcome = ?').pluck().get(outcome)))

test('a provider that loses half of its callbacks, doubles the others, and answers late and out of order, is paid once for each job', async () => {
  let mostInFlight = 0
  const inFlight = (): number =>
    look(settings.DATA_DIR, database =>
      Number(database.prepare("select count(*) from tasks where status in ('submitting', 'submitted')").pluck().get()),
    )
  const sandbox = await startSandbox({
    port: 0,
    delayMs: 100,
    faults: [
      { name: 'lost', probability: 0.5 },
      { name: 'late', probability: 0.3 },
      { name: 'early', probability: 0.2 },
      'doubled',
    ],
    onLog: line => {
      if ('event' in line && line.event === 'submit.answered') mostInFlight = Math.max(mostInFlight, inFlight())
    },
  })
  onTestFinished(() => sandbox.close())
  const settings = await settingsFor(sandbox, { POLL_AFTER_S: '1', POLL_EVERY_S: '1', MAX_IN_FLIGHT: String(maxInFlight) })
  const service = await startProcess(settings)

  const prompts = Array.from({ length: jobCount }, (_, index) => `job ${index}`)
  const waiting = [...prompts]
  const ended: JobView[] = []
  async function client(): Promise<void> {
    for (let prompt = waiting.shift(); prompt !== undefined; prompt = waiting.shift()) {
      const model = models[waiting.length % models.length]
      const { status, text } = await call(`${service.url}/jobs`, asJson({ prompt, image, model }))
      expect(status, text).toBe(202)
      posted.push((JSON.parse(text) as JobView).id)
    }
  }
  const posted: string[] = []
  await Promise.all(Array.from({ length: clients }, client))
  const ending = posted.map(async id => {
    for (;;) {
      const { text } = await call(`${service.url}/jobs/${id}?wait=60`)
      const job = JSON.parse(text) as JobView
      if (job.completed_at !== null) return ended.push(job)
    }
  })
  await Promise.all(ending)
  await sandbox.settled()

  expect(ended.map(job => job.status)).toEqual(prompts.map(() => 'succeeded'))
  expect(sandbox.charges).toBe(jobCount)
  expect(sandbox.submits.map(submit => submit.prompt).toSorted()).toEqual(prompts.toSorted())
  for (const job of ended) {
    expect(job.tasks).toMatchObject([{ attempts: 1, status: 'succeeded' }])
    expect((await call(`${service.url}/jobs/${job.id}/images/0`)).status).toBe(200)
  }
  const sources = Object.groupBy(ended, job => job.tasks[0]?.source ?? 'none')
  expect(Object.keys(sources).toSorted()).toEqual(['callback', 'poll'])
  expect(callbacksOf(settings.DATA_DIR, 'duplicate')).toBeGreaterThan(0)
  expect(mostInFlight).toBeLessThanOrEqual(maxInFlight)
  expect(damage(settings.DATA_DIR)).toEqual([])
  console.info(
    `${ended.length} jobs, ${sandbox.charges} charges; ${sources['callback']?.length} by callback, ${sources['poll']?.length} by poll, ` +
      `${callbacksOf(settings.DATA_DIR, 'duplicate')} callbacks were doubled, ${mostInFlight} in flight at most`,
  )
})
