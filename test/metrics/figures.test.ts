import { expect, test } from 'vitest'
import { ServiceError } from '../../src/domain/errors.ts'
import type { JobView } from '../../src/domain/view.ts'
import { openDisk } from '../../src/files/disk.ts'
import { makeMeter, modelLabels } from '../../src/metrics/meter.ts'
import { makeIngest } from '../../src/steps/ingest.ts'
import { openJob, png, send, success } from '../http/posted.ts'
import {
  aRequest,
  callBack,
  failure,
  fakeProvider,
  jobOf,
  json,
  passUntil,
  picturesAt,
  startOn,
  until,
} from '../steps/setting.ts'
import { testClock } from '../support/clock.ts'
import { parseExposition, valueOf } from '../support/exposition.ts'
import { testFolder } from '../support/folder.ts'
import { newJob } from '../support/jobs.ts'
import { dataUrl } from '../support/pictures.ts'
import { startReceiver } from '../support/receiver.ts'
import { type Running, startTestService, testLog } from '../support/service.ts'
import { testStore } from '../support/store.ts'
import { adminKey, scrape } from './scrape.ts'

const withKey = { ADMIN_KEY: adminKey }
const image = dataUrl(png)

/** Waits until a line has a value. */
const becomes = (service: Running, wanted: number, name: string, labels: Record<string, string> = {}) =>
  until(async () => (await scrape(service)).of(name, labels) === wanted)

test.each([
  ['dark mode', 'accepted'],
  ['fault:inline', 'finished'],
  ['fault:moderation', 'refused'],
  ['fault:429', 'not_sent'],
  ['fault:reset', 'unconfirmed'],
])('a submit of "%s" counts as %s', async (prompt, outcome) => {
  const service = await startTestService(withKey, { clock: testClock() })
  void service.submit({ prompt, image }).catch(() => {})
  await becomes(service, 1, 'darkroom_submits_total', { outcome })
  const { families } = await scrape(service)
  const counted = families.get('darkroom_submits_total')?.samples ?? []
  expect(counted.reduce((sum, sample) => sum + sample.value, 0)).toBe(1)
})

test('a submit that is silent for too long counts once, whatever it says later', async () => {
  const clock = testClock()
  const provider = await fakeProvider(() => {})
  const service = await startOn(provider, withKey, { clock })
  void service.submit(aRequest).catch(() => {})
  await until(() => provider.submits.length === 1)
  await passUntil(clock, async () => (await scrape(service)).of('darkroom_submits_total', { outcome: 'unconfirmed' }) === 1)
  await becomes(service, 1, 'darkroom_tasks_unconfirmed')
  const [sent] = provider.submits
  if (sent !== undefined) json(sent.response, 403, failure('forbidden'))
  await becomes(service, 0, 'darkroom_tasks_unconfirmed')
  expect((await scrape(service)).of('darkroom_submits_total', { outcome: 'refused' })).toBe(0)
})

test('callbacks count by their answer, with their bytes and their time', async () => {
  const service = await startTestService({ ...withKey, MAX_CALLBACK_BYTES: '2000' })
  const text = JSON.stringify(success)
  const first = await openJob(service)
  await send(service, first.path, text)
  await send(service, first.path, text)
  const canceled = await openJob(service)
  await service.call(`/jobs/${canceled.job.id}/cancel`, { method: 'POST' })
  await send(service, canceled.path, text)
  const open = await openJob(service)
  for (const body of ['nonsense', '{}', 'x'.repeat(2_001)]) await send(service, open.path, body)
  await send(service, `${open.path}x`, text)
  await service.call(`/jobs/${first.job.id}`, { method: 'DELETE' })
  await send(service, first.path, text)
  const { of } = await scrape(service)
  const counts = ['applied', 'duplicate', 'late', 'malformed', 'too_large', 'unknown_token', 'storage_full', 'not_kept'].map(
    answer => of('darkroom_callbacks_total', { answer }),
  )
  expect(counts).toEqual([1, 1, 1, 2, 1, 2, 0, 0])
  expect(of('darkroom_callback_bytes_total')).toBe(3 * text.length)
  expect(of('darkroom_callback_duration_seconds_count')).toBe(6)
})

test.each([
  ['storage_full', new ServiceError('storage_full', 'full')],
  ['storage_full', Object.assign(new Error('no space'), { code: 'ENOSPC' })],
  ['not_kept', new ServiceError('unavailable', 'nobody knows')],
  ['not_kept', new Error('a fault of ours')],
])('a callback that our own side could not take counts as %s (%s)', async (answer, error) => {
  const store = await testStore()
  const { meter, registry } = makeMeter()
  const job = newJob()
  await store.createJob(job)
  const [task] = await store.claimTasks({ by: 'us', until: 9e6, now: 1e6, maxInFlight: 1, unconfirmedCountsMs: 0 })
  const ingest = makeIngest({
    store: { ...store, applyResult: () => Promise.reject(error) },
    blobs: await openDisk(await testFolder()),
    clock: testClock(),
    log: testLog(),
    meter,
    maxCallbackBytes: 1_000,
    onResult: () => {},
    onMalformed: () => {},
  })
  await expect(ingest.callback(task?.taskId ?? -1, Promise.resolve(Buffer.from(JSON.stringify(success))), null)).rejects.toBe(
    error,
  )
  expect(valueOf(parseExposition(await registry.metrics()), 'darkroom_callbacks_total', { answer })).toBe(1)
})

test('results count by the way they came, and as what they are', async () => {
  const clock = testClock()
  const service = await startTestService({ ...withKey, POLL_AFTER_S: '120' }, { clock })
  const lost = await jobOf(service.submit({ prompt: 'fault:lost', image }))
  await service.ended((await jobOf(service.submit({ prompt: 'dark', image }))).id)
  await service.ended((await jobOf(service.submit({ prompt: 'fault:failed', image }))).id)
  await service.ended((await jobOf(service.submit({ prompt: 'fault:inline', image }))).id)
  await service.sandbox?.settled()
  await clock.advance(120_000)
  await service.ended(lost.id)
  const { of } = await scrape(service)
  const count = (source: string, result: string) => of('darkroom_results_total', { source, result })
  expect([count('callback', 'succeeded'), count('callback', 'failed')]).toEqual([1, 1])
  expect([count('inline', 'succeeded'), count('poll', 'succeeded'), count('poll', 'failed')]).toEqual([1, 1, 0])
  expect(of('darkroom_polls_total', { outcome: 'finished' })).toBe(1)
})

test('the time from submit to result is counted for its model', async () => {
  const clock = testClock()
  const provider = await fakeProvider()
  const service = await startOn(provider, withKey, { clock })
  await jobOf(service.submit({ ...aRequest, model: 'gpt-image-2' }))
  await clock.advance(42_000)
  for (const sent of [...provider.submits, ...provider.submits]) await callBack(service, sent, failure('api_error'))
  const { of } = await scrape(service)
  const name = 'darkroom_result_wait_seconds'
  expect(of(`${name}_sum`, { model: 'gpt-image-2' })).toBe(42)
  expect(of(`${name}_count`, { model: 'gpt-image-2' })).toBe(1)
  expect(of(`${name}_bucket`, { model: 'gpt-image-2', le: '30' })).toBe(0)
  expect(of(`${name}_bucket`, { model: 'gpt-image-2', le: '45' })).toBe(1)
})

test('tasks that were asked for and are not done, or got no answer, count as such', async () => {
  const clock = testClock()
  const provider = await fakeProvider()
  const service = await startOn(provider, { ...withKey, POLL_AFTER_S: '60' }, { clock })
  await jobOf(service.submit(aRequest))
  const polls = async (outcome: string) => (await scrape(service)).of('darkroom_polls_total', { outcome })
  await passUntil(clock, async () => (await polls('unfinished')) === 1)
  provider.onAsked = response => json(response, 500, {})
  await passUntil(clock, async () => (await polls('failed')) > 0)
})

test('what waits in line is shown with its age, beside what is in flight', async () => {
  const clock = testClock()
  const provider = await fakeProvider()
  const service = await startOn(provider, { ...withKey, MAX_IN_FLIGHT: '1' }, { clock })
  await jobOf(service.submit(aRequest))
  await jobOf(service.submit(aRequest))
  await jobOf(service.submit(aRequest))
  await clock.advance(90_000)
  const { of } = await scrape(service)
  expect([of('darkroom_tasks_in_flight'), of('darkroom_max_in_flight')]).toEqual([1, 1])
  expect([of('darkroom_queue_tasks'), of('darkroom_queue_oldest_seconds')]).toEqual([2, 90])
  expect(of('darkroom_jobs', { model: 'gpt-image-2', status: 'queued' })).toBe(2)
})

test('a pause shows as long as it lasts', async () => {
  const clock = testClock()
  const service = await startTestService(withKey, { clock })
  expect((await scrape(service)).of('darkroom_submitting_paused')).toBe(0)
  void service.submit({ prompt: 'fault:used_up', image }).catch(() => {})
  await becomes(service, 1, 'darkroom_submitting_paused')
  await clock.advance(60_000)
  expect((await scrape(service)).of('darkroom_submitting_paused')).toBe(0)
})

test('deliveries count by their outcome, and wait as long as they do', async () => {
  const clock = testClock()
  const receiver = await startReceiver(count => ({ status: [500, 204, 410][count - 1] ?? 204 }))
  const service = await startTestService({ ...withKey, WEBHOOK_ALLOW_PRIVATE: 'true' }, { clock })
  const finish = async () => service.ended((await jobOf(service.submit({ prompt: 'dark', image, webhook_url: receiver.url }))).id)
  await finish()
  await becomes(service, 1, 'darkroom_delivery_attempts_total', { outcome: 'failed' })
  expect((await scrape(service)).of('darkroom_deliveries_waiting')).toBe(1)
  await passUntil(clock, async () => (await scrape(service)).of('darkroom_deliveries_waiting') === 0)
  await finish()
  await becomes(service, 1, 'darkroom_delivery_attempts_total', { outcome: 'given_up' })
  const { of } = await scrape(service)
  expect(of('darkroom_delivery_attempts_total', { outcome: 'delivered' })).toBe(1)
  expect([of('darkroom_deliveries_waiting'), of('darkroom_deliveries_oldest_seconds')]).toEqual([0, 0])
})

test('models that clients invent are one label, and no other', async () => {
  const service = await startTestService({ ...withKey, SANDBOX_FAULTS: 'empty' })
  for (let count = 0; count < 12; count += 1) await jobOf(service.submit({ prompt: 'x', image, model: `invented-${count}` }))
  const { of, families } = await scrape(service)
  for (const name of ['darkroom_jobs', 'darkroom_result_wait_seconds']) {
    const labels = new Set(families.get(name)?.samples.map(sample => sample.labels['model']))
    expect(labels).toEqual(new Set(modelLabels))
  }
  expect(of('darkroom_jobs', { model: 'other', status: 'processing' })).toBe(12)
})

test('jobs and their bytes are counted exactly through their end, a restart, a deletion and their retirement', async () => {
  const settings = { ...withKey, DATA_DIR: await testFolder(), RETENTION_DAYS: '1' }
  const counts = async (running: Running) => {
    const { of } = await scrape(running)
    const jobs = (status: string) => of('darkroom_jobs', { model: 'gpt-image-1', status })
    const bytes = (kind: string) => of('darkroom_stored_bytes', { kind })
    return [jobs('processing'), jobs('succeeded'), jobs('canceled'), bytes('input'), bytes('output')]
  }
  const service = await startTestService(settings)
  const jobs: JobView[] = []
  for (let count = 0; count < 3; count += 1) {
    const { job, path } = await openJob(service, { model: 'gpt-image-1' })
    jobs.push(job)
    if (count > 0) await send(service, path, success)
  }
  expect(await counts(service)).toEqual([1, 2, 0, 3 * png.length, 2 * png.length])
  await service.call(`/jobs/${jobs[0]?.id}/cancel`, { method: 'POST' })
  await service.close(5_000)
  const again = await startTestService(settings)
  expect(await counts(again)).toEqual([0, 2, 1, 3 * png.length, 2 * png.length])
  await again.call(`/jobs/${jobs[1]?.id}`, { method: 'DELETE' })
  expect(await counts(again)).toEqual([0, 1, 1, 2 * png.length, png.length])
  await again.close(5_000)
  const muchLater = await startTestService(settings, { clock: testClock(Date.now() + 2 * 86_400_000) })
  await until(async () => (await counts(muchLater)).every(count => count === 0))
})

test('a picture that came as a URL is waited for until it is copied', async () => {
  const provider = await fakeProvider(({ response }) => json(response, 200, picturesAt('http://127.0.0.1:1/gone.png')))
  const service = await startOn(provider, withKey, { clock: testClock() })
  void service.submit(aRequest).catch(() => {})
  await becomes(service, 1, 'darkroom_copies_waiting')
})

test('commits, the disk and the process are measured', async () => {
  const service = await startTestService(withKey)
  await scrape(service)
  await openJob(service)
  const { of } = await scrape(service)
  expect(of('darkroom_commit_duration_seconds_count')).toBe(of('darkroom_commit_writes_count'))
  expect(of('darkroom_commit_writes_sum')).toBeGreaterThanOrEqual(of('darkroom_commit_writes_count'))
  expect(of('darkroom_commit_writes_count')).toBeGreaterThan(0)
  expect(of('darkroom_writes_waiting')).toBe(0)
  for (const name of ['darkroom_database_bytes', 'darkroom_wal_bytes', 'darkroom_disk_free_bytes', 'process_cpu_seconds_total'])
    expect([name, of(name) > 0]).toEqual([name, true])
  for (const name of ['process_resident_memory_bytes', 'nodejs_heap_size_used_bytes'])
    expect([name, of(name) > 0]).toEqual([name, true])
  expect(of('darkroom_disk_size_bytes')).toBeGreaterThan(of('darkroom_disk_free_bytes'))
})

test('how long the main thread was busy shows at the next scrape, and only there', async () => {
  const service = await startTestService(withKey)
  const longest = async () => (await scrape(service)).families.get('nodejs_eventloop_lag_max_seconds')?.samples[0]?.value ?? 0
  await until(async () => {
    const start = performance.now()
    while (performance.now() - start < 100);
    return (await longest()) > 0.05
  })
  await until(async () => (await longest()) < 0.05)
})
