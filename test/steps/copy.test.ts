import { createHash } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { testClock } from '../support/clock.ts'
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
])('%s is tried again after twice as long each time', async (_name, fail) => {
  const bytes = await picture()
  const { clock, asked, service, job, arrive } = await resultAt((response, count) =>
    count < 3 ? fail(response) : response.end(bytes),
  )
  await arrive()
  await until(() => failures(service).length === 1)
  expect(await filesOf(service)).toEqual([])
  await clock.advance(4_999)
  expect(asked).toHaveLength(1)
  await clock.advance(1)
  await until(() => failures(service).length === 2)
  await clock.advance(9_999)
  expect(asked).toHaveLength(2)
  await clock.advance(1)
  await becomes(service, job.id, isCopied)
  expect(asked).toHaveLength(3)
})

test('404 is given up at once: the job has its result, and the address at the provider', async () => {
  const { clock, url, asked, service, job, arrive } = await resultAt(response => response.writeHead(404).end())
  await arrive()
  await until(() => failures(service).length === 1)
  expect(failures(service)[0]).toMatchObject({ fields: { given_up: true, reason: 'answered 404' } })
  await clock.advance(600_000)
  const after = await read(service, job.id)
  expect(after).toMatchObject({ status: 'succeeded', result: { data: [{ provider_url: url, sha256: null, bytes: null }] } })
  expect(asked).toHaveLength(1)
})

test('a picture whose copy was given up is not waited for, nor is one that is given up meanwhile', async () => {
  const held: ServerResponse[] = []
  const { service, job, arrive } = await resultAt(response => void held.push(response))
  await arrive()
  await until(() => held.length === 1)
  // The clock stands still: whoever waits for it waits for ever.
  const waiting = service.call(`/jobs/${job.id}/images/0`)
  held[0]?.writeHead(404).end()
  await until(() => held.length === 2)
  held[1]?.end(await picture())
  expect((await waiting).status).toBe(200)
  const after = service.call(`/jobs/${job.id}/images/0`)
  await until(() => held.length === 3)
  held[2]?.writeHead(404).end()
  expect((await after).status).toBe(503)
})

test('a result whose copy was given up is sent on without its bytes, at once', async () => {
  const receiver = await startReceiver()
  const { url } = await pictureServer(response => response.writeHead(404).end())
  const provider = await fakeProvider()
  const clock = testClock()
  const service = await startOn(provider, { WEBHOOK_ALLOW_PRIVATE: 'true' }, { clock })
  const body = JSON.stringify({ ...aRequest, callback_url: receiver.url, response_format: 'b64_json' })
  await service.call('/openai/images/edits', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  const startedAt = clock.now()
  await callBack(service, provider.submits[0] as Sent, picturesAt(url))
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
  expect(await read(service, job.id)).toMatchObject({ status: 'succeeded' })
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

test('many pictures are copied, a few at a time', async () => {
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
  const copied = await becomes(service, job.id, one => one.result?.data.every(picked => picked.sha256 !== null) === true)
  expect(copied.result?.data.map(one => one.provider_url)).toEqual(Array.from({ length: 9 }, (_, index) => `${url}?${index}`))
})
