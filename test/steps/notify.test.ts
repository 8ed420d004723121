import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { openStore } from '../../src/store/store.ts'
import { until } from '../http/refusals.ts'
import { testClock } from '../support/clock.ts'
import { testFolder } from '../support/folder.ts'
import { migrationsFolder } from '../support/jobs.ts'
import { oneNotice } from '../support/outbox.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { type Answer, startReceiver } from '../support/receiver.ts'
import { startTestService } from '../support/service.ts'

test('what is under way when the service stops is broken off, and sent as soon as it is back', async () => {
  const { receiver, start, delivery } = await oneNotice(count => (count === 1 ? 'silence' : { status: 204 }))
  const first = start()
  await receiver.count(1)
  await first.close(AbortSignal.abort())
  expect(await delivery()).toMatchObject({ status: 'pending', attempts: [] })
  start()
  await receiver.count(2)
  await until(async () => (await delivery())?.status === 'delivered')
  expect(new Set(receiver.received.map(one => one.headers['webhook-id'])).size).toBe(1)
})

test('what a sender took with it when it died is sent again when its lease is over', async () => {
  const { receiver, store, clock, start, delivery } = await oneNotice(() => ({ status: 204 }))
  const [taken] = await store.claimDeliveries({
    by: 'dead',
    now: clock.now(),
    until: clock.now() + 120_000,
    limit: 1,
    busyHosts: [],
  })
  expect(taken?.jobId).toBeDefined()
  start()
  await until(() => clock.waiting() > 0)
  await clock.advance(119_999)
  expect(receiver.received).toEqual([])
  await clock.advance(1)
  await until(async () => (await delivery())?.status === 'delivered')
})

test('a notice that was being sent when the process died is sent at once after the next start', async () => {
  const settings = { DATA_DIR: await testFolder(), WEBHOOK_ALLOW_PRIVATE: 'true' }
  const receiver = await startReceiver(count => (count === 1 ? { status: 500 } : { status: 204 }))
  const clock = testClock()
  const service = await startTestService(settings, { clock })
  const body = { prompt: 'dark', model: 'gpt-image-1', image: dataUrl(await picture()), webhook_url: receiver.url }
  const { id } = (await (await service.submit(body)).json()) as JobView
  const delivery = async () => (await service.store.deliveries(id))[0]
  await until(async () => (await delivery())?.attempts.length === 1)
  await service.close(5_000)
  // As a process leaves it that dies while it sends.
  const store = await openStore({ path: join(settings.DATA_DIR, 'darkroom.db'), migrations: migrationsFolder, onFatal: () => {} })
  const now = clock.now() + 5_000
  expect(await store.claimDeliveries({ by: 'dead', now, until: now + 120_000, limit: 1, busyHosts: [] })).toHaveLength(1)
  await store.close()
  await startTestService(settings, { clock })
  await receiver.count(2)
})

test('a notice goes with its job', async () => {
  const { receiver, store, job, start } = await oneNotice(() => ({ status: 500 }))
  start()
  await receiver.count(1)
  await store.deleteJob({ jobId: job.id })
  expect(await store.deliveries(job.id)).toEqual([])
  expect(await store.nextDeliveryAt()).toBeNull()
})

test('a delivery that waits for its next try can be sent at once, one that is under way cannot', async () => {
  let answer: Answer = { status: 500 }
  const { receiver, store, clock, job, start, delivery } = await oneNotice(() => answer)
  start()
  for (const wait of [5_000, 300_000]) {
    await until(async () => (await delivery())?.attempts.length === (wait === 5_000 ? 1 : 2))
    await clock.advance(wait)
  }
  await until(async () => (await delivery())?.attempts.length === 3)
  // The next try is half an hour away.
  answer = 'silence'
  expect(await store.redeliver({ jobId: job.id, id: null, now: clock.now() })).toBe(1)
  await receiver.count(4)
  expect(await store.redeliver({ jobId: job.id, id: null, now: clock.now() })).toBe(0)
})

test('a notice of what happened before a restart is sent after it', async () => {
  const settings = { DATA_DIR: await testFolder(), WEBHOOK_ALLOW_PRIVATE: 'true' }
  const receiver = await startReceiver(count => ({ status: count === 1 ? 503 : 204 }))
  const service = await startTestService(settings)
  const body = { prompt: 'dark', model: 'gpt-image-1', image: dataUrl(await picture()), webhook_url: receiver.url }
  const { id } = (await (await service.submit(body)).json()) as JobView
  await receiver.count(1)
  await service.close(5_000)
  const clock = testClock(Date.now() + 3_600_000)
  const again = await startTestService(settings, { clock })
  await receiver.count(2)
  const [first, second] = receiver.received
  expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id'])
  expect(JSON.parse(second?.body.toString() ?? '')).toMatchObject({ type: 'job.succeeded', data: { id } })
  await until(async () => (await again.store.deliveries(id))[0]?.status === 'delivered')
})

test('one delivery is sent again by its id, and only to the key of its job', async () => {
  const receiver = await startReceiver()
  const service = await startTestService({ API_KEYS: 'web:web-secret,app:app-secret', WEBHOOK_ALLOW_PRIVATE: 'true' })
  const headers = { authorization: 'Bearer web-secret' }
  const events = ['job.processing', 'job.succeeded']
  const body = { prompt: 'dark', model: 'gpt-image-1', image: dataUrl(await picture()), webhook_url: receiver.url }
  const { id } = (await (await service.submit({ ...body, webhook_events: events }, headers)).json()) as JobView
  await until(async () => {
    const all = await service.store.deliveries(id)
    return all.length === 2 && all.every(one => one.status === 'delivered')
  })
  const [first] = await service.store.deliveries(id)
  const again = (query: string, key = 'web-secret') =>
    service.call(`/jobs/${id}/redeliver${query}`, { method: 'POST', headers: { authorization: `Bearer ${key}` } })
  expect((await again(`?id=${first?.id}`, 'app-secret')).status).toBe(404)
  expect((await again('?id=msg_unknown')).status).toBe(404)
  expect((await again(`?id=${first?.id}&id=msg_2`)).status).toBe(400)
  expect((await again(`?id=${first?.id}`)).status).toBe(202)
  await receiver.count(3)
  expect(receiver.received[2]?.headers['webhook-id']).toBe(first?.id)
  const others = await service.call(`/jobs/${id}/deliveries`, { headers: { authorization: 'Bearer app-secret' } })
  expect(others.status).toBe(404)
})
