import { createHash } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { type TestClock, testClock } from '../support/clock.ts'
import { testFolder } from '../support/folder.ts'
import { picture } from '../support/pictures.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Running } from '../support/service.ts'
import {
  aRequest,
  becomes,
  callBack,
  fakeProvider,
  filesOf,
  passUntil,
  pictureServer,
  picturesAt,
  read,
  type Sent,
  startOn,
  submitted,
  until,
} from './setting.ts'

/** A job whose result lies at a server that answers as it is told. */
async function resultAt(answer: (response: ServerResponse, count: number) => void, settings: Record<string, string> = {}) {
  const { url, asked } = await pictureServer(answer)
  const { sent, ...running } = await submitted(settings)
  const arrive = () => callBack(running.service, sent, picturesAt(url))
  return { ...running, url, asked, arrive }
}

const image = (job: JobView) => job.result?.data[0]
const isCopied = (job: JobView): boolean => typeof image(job)?.sha256 === 'string'
const failures = (service: Running) => service.log.lines.filter(line => line.event === 'image.copy_failed')

test('a result is copied at once, and shows with its hash and its size', async () => {
  const bytes = await picture({ width: 60, height: 45, format: 'webp' })
  const { url, service, job, arrive } = await resultAt(response => response.end(bytes))
  expect(await arrive()).toBe(200)
  const copied = await becomes(service, job.id, isCopied)
  expect(image(copied)).toMatchObject({
    provider_url: url,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    bytes: bytes.length,
    content_type: 'image/webp',
    width: 60,
    height: 45,
  })
})

test.each<[string, (response: ServerResponse) => void]>([
  ['500', response => response.writeHead(500).end()],
  ['429', response => response.writeHead(429).end()],
  ['a reset', response => response.socket?.resetAndDestroy()],
  [
    'half of it',
    response => response.writeHead(200, { 'content-length': '1000' }).write('half', () => response.socket?.resetAndDestroy()),
  ],
  ['404', response => response.writeHead(404).end()],
  ['403', response => response.writeHead(403).end('<Error><Code>AccessDenied</Code></Error>')],
  ['410', response => response.writeHead(410).end()],
  ['401', response => response.writeHead(401).end()],
  ['202', response => response.writeHead(202).end('{"status":"pending"}')],
  ['206', response => response.writeHead(206).end('half')],
  ['a redirect to nowhere', response => response.writeHead(302).end()],
  ['a page', response => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Just a moment…</html>')],
  ['a page that is called a picture', response => response.writeHead(200, { 'content-type': 'image/png' }).end('<html></html>')],
  ['an error in JSON', response => response.writeHead(200).end('{"error":"no such key"}')],
  ['nothing', response => response.writeHead(200, { 'content-type': 'image/png' }).end()],
  ['a few bytes', response => response.writeHead(200, { 'content-type': 'image/png' }).end(Buffer.from('null', 'base64'))],
])('%s is tried again after twice as long each time', async (_name, fail) => {
  const bytes = await picture()
  const { clock, asked, service, job, arrive } = await resultAt((response, count) =>
    count < 3 ? fail(response) : response.end(bytes),
  )
  await arrive()
  await until(() => failures(service).length === 1)
  expect(await filesOf(service)).toEqual([])
  expect(image(await read(service, job.id))).toMatchObject({ stored: false, sha256: null, content_type: null })
  await clock.advance(999)
  expect(asked).toHaveLength(1)
  await clock.advance(1)
  await until(() => failures(service).length === 2)
  await clock.advance(1_999)
  expect(asked).toHaveLength(2)
  await clock.advance(1)
  const copied = await becomes(service, job.id, isCopied)
  expect(asked).toHaveLength(3)
  expect(copied).toMatchObject({ warnings: [], result: { data: [{ stored: true, content_type: 'image/png' }] } })
  expect(await filesOf(service)).toHaveLength(1)
})

/** Lets a day of tries go by, each of which is answered before the next is due. */
async function passADay({ clock, service }: { clock: TestClock; service: Running }): Promise<void> {
  await passUntil(clock, () => failures(service).some(line => line.fields['given_up'] === true), 600_000)
}

test('a picture that does not come for a day is given up: the job says why, and keeps the address at the provider', async () => {
  const setting = await resultAt(response => response.writeHead(404).end())
  const { url, asked, service, job } = setting
  await setting.arrive()
  await passADay(setting)
  const tries = asked.length
  expect(tries).toBeGreaterThan(25)
  const after = await read(service, job.id)
  expect(after).toMatchObject({
    status: 'succeeded',
    cost: { billable: 'yes' },
    result: { data: [{ provider_url: url, stored: false, sha256: null, bytes: null }] },
    warnings: [expect.stringMatching(/images\/0.*answered 404/)],
  })
  await setting.clock.advance(7_200_000)
  expect(asked).toHaveLength(tries)
})

test('a GET of a picture that was given up tries again, and keeps what it gets', async () => {
  const bytes = await picture()
  let answer = (response: ServerResponse): void => void response.writeHead(403).end()
  const setting = await resultAt(response => answer(response))
  const { asked, service, job } = setting
  await setting.arrive()
  await passADay(setting)
  const get = (): Promise<Response> => service.call(`/jobs/${job.id}/images/0`)
  const refused = await get()
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5'])
  expect(await refused.json()).toMatchObject({ error: { message: expect.stringContaining('answered 403') } })
  answer = response => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html></html>')
  expect((await get()).status).toBe(503)
  answer = response => void response.end(bytes)
  const before = asked.length
  const answers = await Promise.all([get(), get(), get()])
  for (const one of answers) {
    expect([one.status, one.headers.get('content-type')]).toEqual([200, 'image/png'])
    expect(Buffer.from(await one.arrayBuffer()).equals(bytes)).toBe(true)
  }
  expect(asked).toHaveLength(before + 1)
  expect(await read(service, job.id)).toMatchObject({ warnings: [], result: { data: [{ stored: true, bytes: bytes.length }] } })
  expect(await filesOf(service)).toHaveLength(1)
})

test('bytes of a kind that is not known are kept at once if they are called a picture', async () => {
  const bytes = Buffer.concat([Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'), Buffer.alloc(500, 3)])
  const { service, job, arrive } = await resultAt(response =>
    response.writeHead(200, { 'content-type': 'image/svg+xml; charset=utf-8' }).end(bytes),
  )
  await arrive()
  const copied = await becomes(service, job.id, isCopied)
  const unknown = { stored: true, bytes: bytes.length, content_type: 'application/octet-stream', width: null, height: null }
  expect(copied).toMatchObject({ result: { data: [unknown] }, warnings: [expect.stringMatching(/images\/0.*octet-stream/)] })
  const answer = await service.call(`/jobs/${job.id}/images/0`)
  // Never under the name that its sender gave it.
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'content-type': 'application/octet-stream',
    'content-disposition': 'attachment',
  })
  expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true)
})

test('bytes of a kind that is not known are kept at the last try, whatever they are called', async () => {
  const bytes = Buffer.concat([Buffer.from('II*\0', 'latin1'), Buffer.alloc(500, 3)])
  const setting = await resultAt(response => response.writeHead(200, { 'content-type': 'binary/octet-stream' }).end(bytes))
  await setting.arrive()
  const copied = await passUntil(
    setting.clock,
    async () => {
      const now = await read(setting.service, setting.job.id)
      return isCopied(now) && now
    },
    600_000,
  )
  expect(setting.clock.now() - Date.parse(copied.created_at)).toBeGreaterThanOrEqual(86_400_000)
  expect(image(copied)).toMatchObject({ content_type: 'application/octet-stream', bytes: bytes.length })
  expect(failures(setting.service)[0]).toMatchObject({
    fields: { reason: expect.stringContaining('a kind that we do not know') },
  })
})

test('a picture that is given up while it is waited for is asked for once more, at once', async () => {
  const held: ServerResponse[] = []
  const { service, job, arrive } = await resultAt(response => void held.push(response), { MAX_CALLBACK_BYTES: '100000' })
  await arrive()
  await until(() => held.length === 1)
  // The clock stands still: whoever waits for it waits for ever.
  const waiting = service.call(`/jobs/${job.id}/images/0`)
  held[0]?.writeHead(200, { 'content-length': '100001' }).write('more than is ever kept')
  await until(() => held.length === 2)
  held[1]?.end(await picture())
  expect((await waiting).status).toBe(200)
  expect(await read(service, job.id)).toMatchObject({ result: { data: [{ stored: true }] } })
})

test('a result whose copy was given up is sent on without its bytes, at once', async () => {
  const receiver = await startReceiver()
  const provider = await fakeProvider()
  const clock = testClock()
  const service = await startOn(provider, { WEBHOOK_ALLOW_PRIVATE: 'true', FETCH_ALLOW_PRIVATE: 'false' }, { clock })
  const body = JSON.stringify({ ...aRequest, callback_url: receiver.url, response_format: 'b64_json' })
  await service.call('/openai/images/edits', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  const startedAt = clock.now()
  await callBack(service, provider.submits[0] as Sent, picturesAt('http://127.0.0.1:1/never-dialled.png'))
  await passUntil(clock, () => receiver.received.length === 1)
  expect(JSON.parse(String(receiver.received[0]?.body))).toMatchObject({
    success: true,
    data: { data: [{ url: expect.any(String) }] },
  })
  expect(clock.now() - startedAt).toBeLessThan(60_000)
})

test('a private address is not dialled unless that is allowed', async () => {
  const { asked, service, job, arrive } = await resultAt(response => response.end(), { FETCH_ALLOW_PRIVATE: 'false' })
  await arrive()
  await until(() => failures(service).length === 1)
  expect(failures(service)[0]).toMatchObject({ fields: { given_up: true, reason: 'is at a private address' } })
  expect(asked).toEqual([])
  const warnings = [expect.stringContaining('is at a private address')]
  expect(await read(service, job.id)).toMatchObject({ status: 'succeeded', warnings, result: { data: [{ stored: false }] } })
})

test('copying goes on after a restart, be it under way or waiting for its next try', async () => {
  const bytes = await picture()
  const settings = { DATA_DIR: await testFolder() }
  let answer = (response: ServerResponse): void => void response.writeHead(200, { 'content-length': '1000' }).write('half')
  const first = await resultAt(response => answer(response), settings)
  await first.arrive()
  await until(() => first.asked.length === 1)
  await first.service.close(2_000)
  expect(await filesOf(first.service)).toEqual([])
  answer = response => void response.writeHead(503).end()
  const second = await startOn(first.provider, settings, { clock: first.clock })
  await until(() => failures(second).length === 1)
  await second.close(2_000)
  answer = response => void response.end(bytes)
  await first.clock.advance(60_000)
  const third = await startOn(first.provider, settings, { clock: first.clock })
  expect(image(await becomes(third, first.job.id, isCopied))).toMatchObject({ bytes: bytes.length })
})

test('a fault of our own is never a reason to give up', async () => {
  const bytes = await picture()
  const { clock, service, job, arrive } = await resultAt(response => response.end(bytes))
  // Where the job's folder should be there is something else: nothing can be written.
  const folder = join(service.dataDir, 'jobs', job.id)
  await writeFile(folder, 'in the way')
  await arrive()
  for (let count = 1; count <= 10; count += 1) {
    await until(() => failures(service).length === count)
    await clock.advance(59_999)
    expect(failures(service)).toHaveLength(count)
    if (count === 10) await rm(folder)
    await clock.advance(1)
  }
  expect(failures(service).every(line => line.fields['given_up'] === false)).toBe(true)
  await becomes(service, job.id, isCopied)
})

test('a job that is deleted while its picture is copied leaves nothing', async () => {
  const bytes = await picture()
  const held = Promise.withResolvers<ServerResponse>()
  const { service, job, arrive } = await resultAt(held.resolve)
  await arrive()
  const response = await held.promise
  expect((await service.call(`/jobs/${job.id}`, { method: 'DELETE' })).status).toBe(204)
  response.end(bytes)
  await until(() => service.log.lines.some(line => line.event === 'image.copied' || line.event === 'image.copy_failed'))
  expect(await filesOf(service)).toEqual([])
})

test('many pictures of one host are copied, a few at a time', async () => {
  const bytes = await picture()
  const waiting: ServerResponse[] = []
  const { url, provider, service, job } = await resultAt(response => waiting.push(response))
  await callBack(service, provider.submits[0] as Sent, picturesAt(...Array.from({ length: 9 }, (_, index) => `${url}?${index}`)))
  await until(() => waiting.length === 4)
  for (let count = 1; count <= 9; count += 1) {
    const response = await until(() => waiting.shift())
    expect(waiting.length).toBeLessThan(4)
    response.end(bytes)
  }
  const copied = await becomes(service, job.id, one => one.result?.data.every(picked => picked.stored) === true)
  expect(copied.result?.data.map(one => one.provider_url)).toEqual(Array.from({ length: 9 }, (_, index) => `${url}?${index}`))
})

test('pictures that trickle on one host hold up none of another, and are given up for now after 10 s', async () => {
  const bytes = await picture()
  const slow = await pictureServer(response => {
    response.writeHead(200, { 'content-type': 'image/png' }).write('x')
    const timer = setInterval(() => response.write('x'), 20)
    response.once('close', () => clearInterval(timer))
  })
  const good = await pictureServer(response => response.end(bytes))
  const { clock, provider, service, job, sent } = await submitted({}, { n: 2 })
  await callBack(service, sent, picturesAt(...Array.from({ length: 8 }, (_, index) => `${slow.url}?${index}`)))
  await until(() => slow.asked.length === 4)
  await callBack(service, provider.submits[1] as Sent, picturesAt(good.url))
  const before = clock.now()
  await becomes(service, job.id, one => one.result?.data[8]?.stored === true)
  // No time had to go by.
  expect(clock.now()).toBe(before)
  await passUntil(clock, () => failures(service).length >= 4)
  expect(clock.now() - before).toBeLessThan(20_000)
  expect(failures(service)[0]).toMatchObject({ fields: { given_up: false, reason: 'sent less than 1 kB/s for 10 s' } })
  await until(() => slow.asked.length > 4)
})
