import { expect, test } from 'vitest'
import { makePace } from '../../src/steps/pace.ts'
import { testClock } from '../support/clock.ts'
import { testFolder } from '../support/folder.ts'
import { newJob, request, succeeded } from '../support/jobs.ts'
import { startReceiver } from '../support/receiver.ts'
import { testStore } from '../support/store.ts'
import {
  accept,
  aRequest,
  becomes,
  callBack,
  failure,
  fakeProvider,
  finished,
  jobOf,
  json,
  passUntil,
  pictureServer,
  picturesAt,
  read,
  startOn,
  submitted,
  until,
} from './setting.ts'

/*
 * A clock that is set back by an hour. `passUntil` goes a second at a time and gives up long before an hour has passed, so that
 * what waited for the old time would not be seen.
 */
const hourMs = 3_600_000

test('a task that waits for room is submitted as soon as there is some', async () => {
  const { clock, provider, service, sent } = await submitted({ MAX_IN_FLIGHT: '1' })
  const waiting = await jobOf(service.submit(aRequest))
  expect(waiting.status).toBe('queued')
  clock.setBack(hourMs)
  await callBack(service, sent, failure('forbidden'))
  await passUntil(clock, () => provider.submits.length === 2)
  await until(() => service.log.lines.some(line => line.event === 'clock.set_back'))
})

test('a task that was not accepted is tried again after its usual wait', async () => {
  const clock = testClock()
  const provider = await fakeProvider((sent, index) =>
    index === 0 ? json(sent.response, 429, failure('too_many_requests')) : accept(sent, index),
  )
  const service = await startOn(provider, {}, { clock })
  const job = await jobOf(service.submit(aRequest))
  clock.setBack(hourMs)
  await passUntil(clock, async () => (await read(service, job.id)).status === 'processing')
})

test('a pause lasts for a minute', async () => {
  const clock = testClock()
  const provider = await fakeProvider((sent, index) =>
    index === 0 ? json(sent.response, 401, failure('invalid_token')) : accept(sent, index),
  )
  const service = await startOn(provider, {}, { clock })
  await service.submit(aRequest)
  const job = await jobOf(service.submit(aRequest))
  expect(job.status).toBe('queued')
  clock.setBack(hourMs)
  await passUntil(clock, async () => (await read(service, job.id)).status === 'processing')
})

test('a task without a callback is asked for, and the provider may be asked again a second later', async () => {
  const { clock, provider, service, job } = await submitted({ PUBLIC_URL: '' })
  await passUntil(clock, () => provider.asked.length > 0)
  clock.setBack(hourMs)
  provider.records.push(finished('t-1'))
  await passUntil(clock, async () => (await read(service, job.id)).status === 'succeeded')
})

test('a picture whose copy failed is copied', async () => {
  const { url, asked } = await pictureServer((response, count) => response.writeHead(count === 1 ? 500 : 200).end('GIF89a'))
  const { clock, service, job, sent } = await submitted()
  await callBack(service, sent, picturesAt(url))
  await until(() => service.log.lines.some(line => line.event === 'image.copy_failed'))
  clock.setBack(hourMs)
  await passUntil(clock, () => asked.length > 1)
  await becomes(service, job.id, one => one.status === 'succeeded')
})

test('a notice that was not taken is sent again', async () => {
  const receiver = await startReceiver(count => ({ status: count === 1 ? 500 : 204 }))
  const { clock, service, job, sent } = await submitted({ WEBHOOK_ALLOW_PRIVATE: 'true' }, { webhook_url: receiver.url })
  await callBack(service, sent, failure('forbidden'))
  await until(async () => (await service.store.deliveries(job.id))[0]?.attempts.length === 1)
  clock.setBack(hourMs)
  await passUntil(clock, () => receiver.received.length > 1)
})

test('what waited when the service stopped goes on, though the clock was set back before it started again', async () => {
  const settings = { DATA_DIR: await testFolder(), MAX_IN_FLIGHT: '1' }
  const { clock, provider, service, sent } = await submitted(settings)
  const waiting = await jobOf(service.submit(aRequest))
  expect(waiting.status).toBe('queued')
  await service.close(5_000)
  const later = testClock(clock.now() - hourMs)
  const again = await startOn(provider, settings, { clock: later })
  await callBack(again, sent, failure('forbidden'))
  await passUntil(later, () => provider.submits.length === 2)
})

test('an unconfirmed task takes no room for longer than it may', async () => {
  const store = await testStore()
  const claim = { by: 'me', until: 9_000_000_000, unconfirmedCountsMs: 300_000, maxInFlight: 1 }
  const now = 5_000_000_000
  await store.createJob(newJob({ now }))
  const [task] = await store.claimTasks({ ...claim, now })
  await store.taskUnconfirmed({ taskId: task?.taskId ?? 0, now, pollAt: null })
  await store.createJob(newJob({ now: now - hourMs }))
  expect((await store.figures({ now, unconfirmedCountsMs: 300_000 })).inFlight).toBe(1)
  expect((await store.figures({ now: now - hourMs, unconfirmedCountsMs: 300_000 })).inFlight).toBe(0)
  expect(await store.claimTasks({ ...claim, now: now - hourMs })).toHaveLength(1)
})

test('nobody is told to ask again after more than the usual time', async () => {
  const store = await testStore()
  const clock = testClock()
  const claim = { by: 'me', unconfirmedCountsMs: 0, maxInFlight: 9 }
  const pace = makePace(store, clock)
  const begin = async () => {
    const job = newJob({ now: clock.now(), request: { ...request, edit: { ...request.edit, params: {} } } })
    await store.createJob(job)
    const [task] = await store.claimTasks({ ...claim, now: clock.now(), until: clock.now() + 1_000 })
    const taskId = task?.taskId ?? 0
    await store.taskSubmitted({ taskId, providerTaskId: null, traceId: null, now: clock.now(), pollAt: null })
    return { taskId, id: job.id }
  }
  const { taskId } = await begin()
  const now = clock.now() + 80_000
  await store.applyResult({ taskId, result: succeeded(), source: 'callback', now, copyAt: now, receipt: null })
  const { id } = await begin()
  clock.setBack(hourMs)
  const job = await store.job(id)
  expect(job === null ? null : await pace.retryAfterS(job)).toBe(80)
})
