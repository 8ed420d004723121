import { Webhook } from 'standardwebhooks'
import { expect, onTestFinished, test } from 'vitest'
import type { JobView } from '../src/domain/view.ts'
import { makeSender } from '../src/webhook/send.ts'
import { sign } from '../src/webhook/signature.ts'
import { oneNotice, testOutbox, webhookSecret } from './support/outbox.ts'
import { dataUrl, picture } from './support/pictures.ts'
import { startReceiver } from './support/receiver.ts'
import { type Running, startTestService } from './support/service.ts'

async function finish(service: Running, body: object): Promise<JobView> {
  const response = await service.submit({ prompt: 'dark', image: dataUrl(await picture()), model: 'gpt-image-1', ...body })
  expect(response.status, response.status === 202 ? '' : await response.text()).toBe(202)
  return service.ended(((await response.json()) as JobView).id)
}

type Deliveries = {
  data: { id: string; type: string; status: string; attempts: { status: number | null; ms: number; answer: string }[] }[]
}
const deliveriesOf = async (service: Running, id: string): Promise<Deliveries['data']> =>
  ((await (await service.call(`/jobs/${id}/deliveries`)).json()) as Deliveries).data

test('the signature is the one of the specification’s own example', async () => {
  const signature = await sign(['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'], 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330, [
    Buffer.from('{"test": 2432232314}'),
  ])
  expect(signature).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
})

test('a job that ends is told to its webhook, signed with every secret', async () => {
  const secrets = [webhookSecret(), webhookSecret()]
  const receiver = await startReceiver()
  const service = await startTestService({ WEBHOOK_ALLOW_PRIVATE: 'true', WEBHOOK_SECRETS: secrets.join(' ') })
  const job = await finish(service, { webhook_url: receiver.url, metadata: { order: '7' } })
  const [told] = await receiver.count(1)
  if (told === undefined) throw new Error('nothing came')
  const headers = Object.fromEntries(Object.entries(told.headers).map(([name, value]) => [name, String(value)]))
  for (const one of secrets) {
    const verified = new Webhook(one).verify(told.body.toString(), headers)
    expect(verified).toMatchObject({ type: 'job.succeeded', data: { id: job.id, status: 'succeeded', metadata: { order: '7' } } })
  }
  expect(() => new Webhook(webhookSecret()).verify(told.body.toString(), headers)).toThrow()
  expect(told.body.toString()).not.toContain('b64_json')
})

test('only the events that were asked for are told', async () => {
  const receiver = await startReceiver()
  const service = await startTestService({ WEBHOOK_ALLOW_PRIVATE: 'true' })
  const job = await finish(service, { webhook_url: receiver.url, webhook_events: ['job.processing', 'job.failed'] })
  const [told] = await receiver.count(1)
  expect(JSON.parse(told?.body.toString() ?? '')).toMatchObject({ type: 'job.processing', data: { id: job.id } })
  expect((await deliveriesOf(service, job.id)).map(one => one.type)).toEqual(['job.processing'])
})

test('a notice stays under 20 kB whatever the job holds, and its texts are cut', async () => {
  const receiver = await startReceiver()
  const service = await startTestService({ WEBHOOK_ALLOW_PRIVATE: 'true' })
  const metadata = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`key-${index}`, '字'.repeat(512)]))
  const body = {
    webhook_url: receiver.url,
    prompt: '暗'.repeat(32_000),
    metadata,
    n: 10,
    extra: Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`key-${index}`, 'x'.repeat(300)])),
  }
  const job = await finish(service, { ...body, model: 'gpt-image-2' })
  const [told] = await receiver.count(1)
  expect(told?.body.length).toBeLessThan(20_000)
  const { data } = JSON.parse(told?.body.toString() ?? '') as { data: JobView }
  expect(data).toMatchObject({ id: job.id, status: 'succeeded' })
  expect(data.result?.data).toHaveLength(10)
  expect(data.prompt.length).toBeLessThanOrEqual(1_000)
})

test('each attempt is shown, and a delivery can be sent again under the same id', async () => {
  const receiver = await startReceiver(() => ({ status: 200, body: 'thank you' }))
  const service = await startTestService({ WEBHOOK_ALLOW_PRIVATE: 'true' })
  const job = await finish(service, { webhook_url: receiver.url })
  await receiver.count(1)
  const again = await service.call(`/jobs/${job.id}/redeliver`, { method: 'POST' })
  // The first may still be being noted: then there is nothing that is over yet.
  expect([202, 409]).toContain(again.status)
  if (again.status === 409) return
  const [first, second] = await receiver.count(2)
  expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id'])
})

test('a private address is refused when it is named, and nothing is charged', async () => {
  const service = await startTestService()
  for (const url of ['http://127.0.0.1/hook', 'http://[::1]/', 'http://169.254.169.254/', 'ftp://example.com/', 'no url']) {
    const response = await service.submit({ prompt: 'dark', image: 'https://example.com/a.png', webhook_url: url })
    expect(response.status, url).toBe(400)
    expect(await response.json()).toMatchObject({ error: { code: 'invalid_request', param: 'webhook_url' } })
  }
  expect(service.sandbox?.charges).toBe(0)
})

test('a receiver that fails is tried again on the schedule, and given up after the last', async () => {
  const { receiver, clock, start, noted } = await oneNotice(() => ({ status: 500, body: 'no' }))
  start()
  const waits = [5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 50_400_000, 72_000_000, 86_400_000]
  for (const [index, wait] of waits.entries()) {
    expect((await noted(index + 1)).status).toBe('pending')
    await clock.advance(wait - 1)
    expect(receiver.received).toHaveLength(index + 1)
    await clock.advance(1)
  }
  const delivery = await noted(10)
  expect(delivery).toMatchObject({ status: 'failed' })
  expect(delivery.attempts.map(one => [one.status, one.answer])).toEqual(Array.from({ length: 10 }, () => [500, 'no']))
  expect(new Set(receiver.received.map(one => one.headers['webhook-id'])).size).toBe(1)
})

test('a wait that the receiver asks for is kept to, up to twice our own', async () => {
  const { receiver, clock, start, noted } = await oneNotice(count => ({
    status: 503,
    headers: { 'retry-after': count === 1 ? '8' : '86400' },
  }))
  start()
  await noted(1)
  await clock.advance(7_999)
  expect(receiver.received).toHaveLength(1)
  await clock.advance(1)
  await noted(2)
  await clock.advance(599_999)
  expect(receiver.received).toHaveLength(2)
  await clock.advance(1)
  await noted(3)
})

test('410 stops at once, and a redirect is a failure that is not followed', async () => {
  const gone = await oneNotice(() => ({ status: 410 }))
  gone.start()
  expect(await gone.noted(1)).toMatchObject({ status: 'failed' })
  const elsewhere = await startReceiver()
  const moved = await oneNotice(() => ({ status: 307, headers: { location: elsewhere.url } }))
  moved.start()
  expect(await moved.noted(1)).toMatchObject({ status: 'pending', attempts: [{ status: 307 }] })
  expect(elsewhere.received).toEqual([])
})

test('an address that may not be dialled is given up at once, and says so', async () => {
  const receiver = await startReceiver()
  const sender = makeSender({ allowPrivate: false }, [webhookSecret()], '0')
  onTestFinished(() => sender.close())
  const body = {
    sizeBytes: 2,
    chunks: async function* () {
      yield Buffer.from('{}')
    },
  }
  const sent = await sender.send({ id: 'msg_1', url: receiver.url, body, now: 0 })
  expect(sent).toMatchObject({ status: null, refused: true })
  expect(receiver.received).toEqual([])
})

test('a receiver that never answers holds up nobody else', async () => {
  const dead = await startReceiver(() => 'silence')
  const alive = await startReceiver()
  const { add, start } = await testOutbox()
  for (let count = 0; count < 50; count += 1) await add(dead.url)
  for (let count = 0; count < 5; count += 1) await add(alive.url)
  start()
  await alive.count(5)
  expect(dead.received.length).toBeLessThanOrEqual(4)
})
