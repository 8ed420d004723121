import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { type Running, startTestService } from '../support/service.ts'
import { head, openLine } from './wire.ts'

/** A job whose callback is the test's to make: its id, and the path to POST to. */
async function waiting(service: Running): Promise<{ id: string; path: string }> {
  const body = { prompt: 'dark', image: dataUrl(await picture()), model: 'gpt-image-1' }
  const { id } = (await (await service.submit(body)).json()) as JobView
  return { id, path: new URL(service.sandbox?.submits.at(-1)?.callbackUrl ?? '').pathname }
}

test('a result that comes compressed is taken like any other', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const bytes = await picture({ width: 200, height: 100 })
  const text = JSON.stringify({ success: true, data: { created: 1, data: [{ b64_json: bytes.toString('base64') }] } })
  const packers = {
    gzip: gzipSync,
    deflate: deflateSync,
    br: brotliCompressSync,
    GZIP: gzipSync,
    identity: (one: string) => Buffer.from(one),
  }
  for (const [encoding, pack] of Object.entries(packers)) {
    const { id, path } = await waiting(service)
    const answer = await service.call(path, { method: 'POST', headers: { 'content-encoding': encoding }, body: pack(text) })
    expect([encoding, answer.status]).toEqual([encoding, 200])
    const job = (await (await service.call(`/jobs/${id}`)).json()) as JobView
    expect(job.result?.data[0]).toMatchObject({ bytes: bytes.length, width: 200, height: 100 })
  }
})

test('what is not what its encoding says is a 400, noted, and no end of its task', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const { id, path } = await waiting(service)
  const whole = gzipSync(JSON.stringify({ success: true, data: [{ url: 'https://example.com/a.png' }] }))
  for (const body of ['no gzip at all', whole.subarray(0, 20)]) {
    const answer = await service.call(path, { method: 'POST', headers: { 'content-encoding': 'gzip' }, body })
    expect(answer.status).toBe(400)
  }
  const callbacks = (await (await service.call(`/jobs/${id}/callbacks`)).json()) as { data: { outcome: string }[] }
  expect(callbacks.data.map(one => one.outcome)).toEqual(['malformed', 'malformed'])
  expect(((await (await service.call(`/jobs/${id}`)).json()) as JobView).status).not.toBe('failed')
})

test('a small body that unpacks to more than a callback may have is refused', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost', MAX_CALLBACK_BYTES: '100000' })
  const { path } = await waiting(service)
  const body = gzipSync(JSON.stringify({ success: true, data: [{ b64_json: 'A'.repeat(10_000_000) }] }))
  const answer = await service.call(path, { method: 'POST', headers: { 'content-encoding': 'gzip' }, body })
  expect(answer.status).toBe(413)
})

test('a packed body that goes on for ever and comes to nothing is refused as it comes', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost', MAX_CALLBACK_BYTES: '100000' })
  const { id, path } = await waiting(service)
  // Stored blocks of no bytes, none of them the last.
  const empty = Buffer.concat(Array.from({ length: 4_000 }, () => Buffer.from([0, 0, 0, 0xff, 0xff])))
  const gzipHead = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])
  const line = await openLine(service.url)
  line.send(head(`POST ${path}`, { 'content-encoding': 'gzip', 'transfer-encoding': 'chunked' }))
  const send = (bytes: Buffer): void =>
    line.send(Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]))
  send(gzipHead)
  for (let sent = 0; sent <= 100_000; sent += empty.length) send(empty)
  expect((await line.answer()).status).toBe(413)
  const callbacks = (await (await service.call(`/jobs/${id}/callbacks`)).json()) as { data: { outcome: string }[] }
  expect(callbacks.data.map(one => one.outcome)).toEqual(['malformed'])
})
