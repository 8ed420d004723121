import { request as httpRequest, type IncomingMessage } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import type { JobView } from '../src/domain/view.ts'
import { newJob, request } from './support/jobs.ts'
import { dataUrl, picture } from './support/pictures.ts'
import { type Running, startTestService } from './support/service.ts'

type Event = { id: number; event: string; data: JobView }

type Stream = {
  status: number
  response: IncomingMessage
  events: Event[]
  /** Resolves when so many events have come in all. */
  count(wanted: number): Promise<Event[]>
  /** Resolves when the server ends the stream. */
  ended: Promise<void>
  close(): void
}

/** Follows a stream of events over a socket of its own. */
async function follow(service: Running, path: string, headers: Record<string, string> = {}): Promise<Stream> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    httpRequest(`${service.url}${path}`, { headers, agent: false }, resolve).on('error', reject).end()
  })
  const events: Event[] = []
  let text = ''
  let wake: (() => void)[] = []
  response.setEncoding('utf8')
  response.on('data', (chunk: string) => {
    text += chunk
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = Object.fromEntries(
        text
          .slice(0, end)
          .split('\n')
          .map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      ) as Record<string, string>
      text = text.slice(end + 2)
      if (fields['event'] !== undefined)
        events.push({ id: Number(fields['id']), event: fields['event'], data: JSON.parse(fields['data'] ?? '') as JobView })
    }
    for (const run of wake) run()
    wake = []
  })
  const ended = new Promise<void>(resolve => response.once('close', resolve))
  onTestFinished(() => {
    response.destroy()
  })
  return {
    status: response.statusCode ?? 0,
    response,
    events,
    ended,
    close: () => response.destroy(),
    async count(wanted) {
      while (events.length < wanted) await new Promise<void>(resolve => wake.push(resolve))
      return events
    },
  }
}

async function submit(service: Running, headers = {}): Promise<JobView> {
  const response = await service.submit({ prompt: 'dark', image: dataUrl(await picture()), model: 'gpt-image-1' }, headers)
  expect(response.status).toBe(202)
  return (await response.json()) as JobView
}

test('a job is followed from its beginning to its end, and the stream ends with it', async () => {
  const service = await startTestService()
  const job = await submit(service)
  const stream = await follow(service, `/jobs/${job.id}/events`)
  expect(stream.response.headers['content-type']).toMatch(/^text\/event-stream/)
  await stream.ended
  expect(stream.events.map(one => one.event)).toEqual(['job.queued', 'job.processing', 'job.succeeded'])
  expect(stream.events.at(-1)?.data).toMatchObject({
    id: job.id,
    status: 'succeeded',
    result: { data: [{ content_type: 'image/png' }] },
  })
})

test('a job that has ended tells its history at once', async () => {
  const service = await startTestService()
  const job = await submit(service)
  await service.ended(job.id)
  const stream = await follow(service, `/jobs/${job.id}/events`)
  await stream.ended
  expect(stream.events).toHaveLength(3)
  // And after the last event there is nothing more to wait for.
  const later = await follow(service, `/jobs/${job.id}/events`, { 'last-event-id': String(stream.events.at(-1)?.id) })
  await later.ended
  expect(later.events).toEqual([])
})

test('a reader that comes back with Last-Event-ID misses nothing and sees nothing twice', async () => {
  const service = await startTestService()
  const first = await follow(service, '/events')
  const jobs = [await submit(service), await submit(service)]
  await first.count(2)
  first.close()
  for (const job of jobs) await service.ended(job.id)
  const seen = first.events.length
  const second = await follow(service, '/events', { 'last-event-id': String(first.events.at(-1)?.id) })
  await second.count(6 - seen)
  const ids = [...first.events, ...second.events].map(one => one.id)
  expect(new Set(ids).size).toBe(6)
  expect(ids).toEqual(ids.toSorted((a, b) => a - b))
})

test('the stream of a key shows its own jobs, from now on, and those of nobody else', async () => {
  const service = await startTestService({ API_KEYS: 'web:web-secret,app:app-secret', ADMIN_KEY: 'admin-secret' })
  const as = (key: string) => ({ authorization: `Bearer ${key}` })
  const before = await submit(service, as('web-secret'))
  await service.call(`/jobs/${before.id}?wait=90`, { headers: as('web-secret') })
  const web = await follow(service, '/events', as('web-secret'))
  const admin = await follow(service, '/events', as('admin-secret'))
  const theirs = await submit(service, as('app-secret'))
  const mine = await submit(service, as('web-secret'))
  await Promise.all([web.count(3), admin.count(6)])
  expect(new Set(web.events.map(one => one.data.id))).toEqual(new Set([mine.id]))
  expect(new Set(admin.events.map(one => one.data.id))).toEqual(new Set([mine.id, theirs.id]))
  expect((await follow(service, '/events')).status).toBe(401)
  expect((await follow(service, `/jobs/${theirs.id}/events`, as('web-secret'))).status).toBe(404)
  expect((await follow(service, '/events', { ...as('web-secret'), 'last-event-id': 'x' })).status).toBe(400)
})

test('a hundred readers of one job are told the same, each event once', async () => {
  const service = await startTestService({ SANDBOX_DELAY_MS: '300' })
  const job = await submit(service)
  const streams = await Promise.all(Array.from({ length: 100 }, () => follow(service, `/jobs/${job.id}/events`)))
  await Promise.all(streams.map(stream => stream.ended))
  for (const stream of streams)
    expect(stream.events.map(one => one.event)).toEqual(['job.queued', 'job.processing', 'job.succeeded'])
})

test('readers are let go when the service closes', async () => {
  const service = await startTestService()
  const stream = await follow(service, '/events')
  await service.close(5_000)
  await stream.ended
  expect(stream.events).toEqual([])
})

test('HEAD of a stream is answered and over', async () => {
  const service = await startTestService()
  const job = await submit(service)
  for (const path of ['/events', `/jobs/${job.id}/events`]) {
    const answer = await service.call(path, { method: 'HEAD' })
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8'])
    expect(await answer.text()).toBe('')
  }
})

test('a reader that reads nothing is dropped, and finds all of it when it comes back', async () => {
  const service = await startTestService()
  const slow = await follow(service, '/events')
  slow.response.pause()
  const prompt = 'x'.repeat(30_000)
  // Due in a far future, so that nothing submits them. More than the network's own buffers hold.
  const now = Date.now() + 86_400_000
  for (let count = 0; count < 8; count += 1) {
    const batch = Array.from({ length: 50 }, () => newJob({ now, request: { ...request, edit: { ...request.edit, prompt } } }))
    await Promise.all(batch.map(job => service.store.createJob(job)))
    await Promise.all(batch.map(job => service.store.cancelJob({ jobId: job.id, now })))
  }
  const quick = await follow(service, '/events', { 'last-event-id': '0' })
  await quick.count(800)
  slow.response.resume()
  await slow.ended
  expect(slow.events.length).toBeLessThan(800)
  const back = await follow(service, '/events', { 'last-event-id': String(slow.events.at(-1)?.id ?? 0) })
  await back.count(800 - slow.events.length)
  expect([...slow.events, ...back.events].map(one => one.id)).toEqual(quick.events.map(one => one.id))
})
