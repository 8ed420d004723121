import type { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { type TestClock, testClock } from '../support/clock.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { type Running, startTestService } from '../support/service.ts'
import { formType } from './forms.ts'
import { checkRefusal, expectNothingDone, storedFiles, until } from './refusals.ts'
import { head, type Line, openLine } from './wire.ts'

type Opened = {
  service: Running
  clock: TestClock
  /** Sends on a line, and waits until the service has read it. */
  pass: (line: Line, data: string) => Promise<void>
}

async function openService(settings: Record<string, string> = {}): Promise<Opened> {
  const clock = testClock()
  const service = await startTestService(settings, { clock })
  const sockets: Socket[] = []
  service.app.server.on('connection', socket => sockets.push(socket))
  const bytesRead = (): number => sockets.reduce((sum, socket) => sum + socket.bytesRead, 0)
  const pass = async (line: Line, data: string): Promise<void> => {
    const wanted = bytesRead() + data.length
    line.send(data)
    await until(() => bytesRead() >= wanted)
  }
  return { service, clock, pass }
}

test('a body that stops is cut off after ten seconds, on every route that reads one', async () => {
  const { service, clock, pass } = await openService()
  const response = await service.submit({ prompt: 'fault:empty', image: dataUrl(await picture()) })
  expect(response.status).toBe(202)
  const callback = new URL(service.sandbox?.submits[0]?.callbackUrl ?? '').pathname
  for (const [path, type, begin] of [
    ['/jobs', 'application/json', '{"prompt": "a'],
    ['/jobs', formType, '--a-boundary\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n'],
    [callback, 'application/json', '{"data": ['],
  ] as const) {
    const line = await openLine(service.url)
    const id = `slow-${path.length}`
    await pass(line, head(`POST ${path}`, { 'content-type': type, 'content-length': 1_000_000, 'x-request-id': id }) + begin)
    await clock.advance(9_000)
    await pass(line, ' '.repeat(100))
    await clock.advance(2_000)
    const answer = await line.answer()
    const { 'content-type': contentType = '', 'x-request-id': requestId = '', connection } = answer.headers
    expect([path, connection, requestId]).toEqual([path, 'close', id])
    expect(checkRefusal(answer.status, contentType, requestId, answer.body)).toMatchObject({
      status: 408,
      code: 'request_timeout',
    })
    await clock.advance(2_000)
    await line.closed()
  }
  expect(service.sandbox?.charges).toBe(1)
  expect(service.log.lines.filter(line => line.level === 'error')).toEqual([])
})

test('a body that trickles for ever is cut off, wherever it goes', async () => {
  const { service, clock } = await openService({ API_KEYS: 'ann:key-of-ann' })
  for (const first of [
    'POST /nothing',
    'POST /%zz',
    'POST /jobs',
    'GET /healthz',
    'POST /callbacks/forged',
    'DELETE /jobs/x',
    `PUT /jobs/${'x'.repeat(1_500)}`,
  ]) {
    const line = await openLine(service.url)
    line.send(head(first, { 'content-length': 1_000_000, 'content-type': 'text/plain' }))
    // Answered at once; what is still to come of the body keeps to the same rate.
    expect([first, (await line.answer()).status]).toEqual([first, expect.any(Number)])
    line.send('a')
    await clock.advance(12_000)
    await clock.advance(2_000)
    expect([first, await line.closed()]).toEqual([first, ''])
  }
})

test('a body that waits for its answer, and never comes, is cut off while the answer is waited for', async () => {
  const { service, clock } = await openService()
  const job = (await (await service.submit({ prompt: 'fault:empty', image: dataUrl(await picture()) })).json()) as { id: string }
  const line = await openLine(service.url)
  const before = clock.waiting()
  line.send(head(`GET /jobs/${job.id}?wait=60`, { 'content-length': 1_000_000 }))
  await until(() => clock.waiting() > before)
  await clock.advance(11_000)
  expect((await line.answer()).status).toBe(408)
  await clock.advance(2_000)
  await line.closed()
  await until(() => clock.waiting() === before)
})

test('a body that comes at a kilobyte a second is read to its end', async () => {
  const { service, clock, pass } = await openService()
  const body = JSON.stringify({ prompt: 'fault:empty', image: dataUrl(await picture()), other: 'x'.repeat(40_000) })
  const line = await openLine(service.url)
  await pass(line, head('POST /jobs', { 'content-type': 'application/json', 'content-length': body.length }))
  for (let at = 0; at < body.length; at += 1_200) {
    await pass(line, body.slice(at, at + 1_200))
    await clock.advance(1_000)
  }
  expect((await line.answer()).status).toBe(202)
})

test('a connection that is kept for the next request is not cut off', async () => {
  const { service, clock } = await openService()
  const line = await openLine(service.url)
  for (let count = 0; count < 3; count += 1) {
    line.send(`${head('POST /jobs', { 'content-type': 'application/json', 'content-length': 2 })}{}`)
    expect((await line.answer()).status).toBe(400)
    await clock.advance(30_000)
  }
  expect(line.socket.destroyed).toBe(false)
})

test('what was cut off left nothing behind', async () => {
  const { service, clock, pass } = await openService()
  const line = await openLine(service.url)
  const picturePart = '--a-boundary\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
  await pass(
    line,
    head('POST /jobs', { 'content-type': formType, 'content-length': 1_000_000 }) + picturePart + 'x'.repeat(600_000),
  )
  // Something of it has come to the disk.
  await until(async () => (await storedFiles(service)).length > 0)
  await clock.advance(11_000)
  expect((await line.answer()).status).toBe(408)
  await clock.advance(2_000)
  await line.closed()
  await until(async () => (await storedFiles(service)).length === 0)
  await expectNothingDone(service)
})
