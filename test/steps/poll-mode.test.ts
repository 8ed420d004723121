import { expect, onTestFinished, test } from 'vitest'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { testClock } from '../support/clock.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { startTestService } from '../support/service.ts'
import { aRequest, becomes, fakeProvider, jobOf, json, picturesAt, read, settingsFor, startOn, until } from './setting.ts'

test('without an address for callbacks, results are asked for', async () => {
  const sandbox = await startSandbox({ port: 0, delayMs: 20, faults: [] })
  onTestFinished(() => sandbox.close())
  const clock = testClock()
  const settings = { ...settingsFor(sandbox.baseUrl), PUBLIC_URL: '', POLL_EVERY_S: '30' }
  const service = await startTestService(settings, { clock })
  const image = dataUrl(await picture())
  const byUrl = await jobOf(service.submit({ prompt: 'dark mode', image }))
  const byBase64 = await jobOf(service.submit({ prompt: 'dark mode', image, model: 'gpt-image-1' }))
  expect([byUrl, byBase64]).toMatchObject([{ status: 'processing' }, { status: 'processing' }])
  expect(sandbox.submits.map(one => [one.async, one.callbackUrl])).toEqual([
    [true, null],
    [true, null],
  ])
  await sandbox.settled()
  await clock.advance(29_999)
  expect(await read(service, byUrl.id)).toMatchObject({ status: 'processing' })
  await clock.advance(1)
  for (const { id } of [byUrl, byBase64]) {
    const copied = await becomes(service, id, one => typeof one.result?.data[0]?.sha256 === 'string')
    expect(copied).toMatchObject({ status: 'succeeded', tasks: [{ source: 'poll' }], result: { data: [{ width: 32 }] } })
  }
  expect(sandbox.charges).toBe(2)
})

test('a provider that holds the connection instead is waited for, past the submit’s time', async () => {
  const clock = testClock()
  const provider = await fakeProvider(() => {})
  const service = await startOn(provider, { PUBLIC_URL: '' }, { clock })
  const answered = jobOf(service.submit(aRequest))
  const sent = await until(() => provider.submits[0])
  expect(sent.fields).toMatchObject({ async: true })
  await clock.advance(10_000)
  const job = await answered
  await clock.advance(300_000)
  await becomes(service, job.id, one => one.tasks[0]?.status === 'unconfirmed')
  json(sent.response, 200, picturesAt('http://127.0.0.1:1/a.png'))
  const ended = await becomes(service, job.id, one => one.status === 'succeeded')
  expect(ended).toMatchObject({ tasks: [{ source: 'inline' }] })
})
