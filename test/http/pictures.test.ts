import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { testClock } from '../support/clock.ts'
import { testFolder } from '../support/folder.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { type Running, startTestService } from '../support/service.ts'
import { refusalOf, until } from './refusals.ts'
import { head, openLine } from './wire.ts'

const png = await picture()
const keyed = { API_KEYS: 'ann:key-of-ann', SANDBOX_FAULTS: 'lost' }
const ann = { authorization: 'Bearer key-of-ann' }

async function jobWith(service: Running, image: unknown, headers: Record<string, string> = {}): Promise<JobView> {
  const response = await service.submit({ prompt: 'dark mode', image }, headers)
  expect(response.status).toBe(202)
  return (await response.json()) as JobView
}

/** The path and query of a URL of ours. */
const pathOf = (url: string | undefined): string => {
  const { pathname, search } = new URL(url ?? '')
  return `${pathname}${search}`
}

test('a picture is sent with the type of its bytes, whole, and as something that never changes', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' }, { clock: testClock(Date.UTC(2026, 0, 15, 12)) })
  for (const format of ['png', 'jpeg', 'webp'] as const) {
    const bytes = await picture({ format })
    // The name of the type is a lie.
    const job = await jobWith(service, dataUrl(bytes, 'image/gif'))
    const response = await service.call(pathOf(job.inputs[0]?.url))
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': `image/${format}`,
      'content-length': String(bytes.length),
      etag: expect.stringMatching(/^"[0-9a-f]{64}"$/),
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
      // Until the second midnight.
      'cache-control': 'public, max-age=129600, immutable',
    })
  }
})

test('a picture that the client has is a 304', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const path = pathOf((await jobWith(service, dataUrl(png))).inputs[0]?.url)
  const etag = (await service.call(path)).headers.get('etag') ?? ''
  for (const given of [etag, `W/${etag}`, '*', `"a", ${etag}`]) {
    const response = await service.call(path, { headers: { 'if-none-match': given } })
    expect([given, response.status, await response.text(), response.headers.get('etag')]).toEqual([given, 304, '', etag])
  }
  for (const headers of [{ 'if-none-match': '"a"' }, { 'if-modified-since': new Date().toUTCString() }, { 'if-match': '"a"' }])
    expect((await service.call(path, { headers })).status).toBe(200)
})

test('a part of a picture is sent where it is asked for', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const path = pathOf((await jobWith(service, dataUrl(png))).inputs[0]?.url)
  const size = png.length
  const part = async (range: string, more: Record<string, string> = {}) => service.call(path, { headers: { range, ...more } })
  const parts: readonly (readonly [string, number, number])[] = [
    ['bytes=0-9', 0, 9],
    ['bytes=5-5', 5, 5],
    ['bytes=10-', 10, size - 1],
    ['bytes=-7', size - 7, size - 1],
    [`bytes=3-${size * 2}`, 3, size - 1],
  ]
  for (const [range, from, to] of parts) {
    const response = await part(range)
    const bytes = Buffer.from(await response.arrayBuffer())
    expect([range, response.status, response.headers.get('content-range')]).toEqual([range, 206, `bytes ${from}-${to}/${size}`])
    expect([bytes.equals(png.subarray(from, to + 1)), response.headers.get('content-type')]).toEqual([true, 'image/png'])
  }
  for (const range of ['bytes=x', 'lines=1-2', 'bytes=0-1,4-5', '', 'bytes=5-2']) {
    const response = await part(range)
    expect([range, [200, 416].includes(response.status)]).toEqual([range, true])
  }
  const outside = await part(`bytes=${size}-`)
  expect([outside.headers.get('content-range'), outside.headers.get('etag')]).toEqual([`bytes */${size}`, null])
  expect(await refusalOf(outside)).toMatchObject({ status: 416, code: 'invalid_request', param: 'Range' })
})

test('a part goes only with the picture that it is a part of', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const path = pathOf((await jobWith(service, dataUrl(png))).inputs[0]?.url)
  const etag = (await service.call(path)).headers.get('etag') ?? ''
  const statusWith = async (ifRange: string): Promise<number> =>
    (await service.call(path, { headers: { range: 'bytes=0-9', 'if-range': ifRange } })).status
  expect(await statusWith(etag)).toBe(206)
  for (const other of ['"other"', `W/${etag}`, new Date().toUTCString()])
    expect([other, await statusWith(other)]).toEqual([other, 200])
})

test('HEAD tells of a picture what GET does', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const path = pathOf((await jobWith(service, dataUrl(png))).inputs[0]?.url)
  const seen = async (method: string, headers: Record<string, string> = {}) => {
    const response = await service.call(path, { method, headers })
    const {
      date: _date,
      connection: _connection,
      'keep-alive': _keepAlive,
      'x-request-id': _id,
      ...rest
    } = Object.fromEntries(response.headers)
    return { status: response.status, rest, bytes: (await response.arrayBuffer()).byteLength }
  }
  for (const headers of [{}, { range: 'bytes=1-3' }]) {
    const [got, told] = [await seen('GET', headers), await seen('HEAD', headers)]
    expect(told).toEqual({ ...got, bytes: 0 })
  }
})

test('a signed URL opens its picture without a key, and nothing else', async () => {
  const service = await startTestService(keyed, { clock: testClock(Date.UTC(2026, 0, 15, 12)) })
  const job = await jobWith(service, [dataUrl(png), dataUrl(await picture({ format: 'webp' }))], ann)
  const paths = job.inputs.map(input => pathOf(input.url))
  const [first = '', second = ''] = paths
  const opened = await service.call(first)
  expect([opened.status, opened.headers.get('cache-control')]).toEqual([200, 'public, max-age=129600, immutable'])
  const [path = '', query = ''] = first.split('?')
  const { exp = '', sig = '' } = Object.fromEntries(new URLSearchParams(query))
  const forged = [
    path,
    `${path}?`,
    `${path}?exp=${exp}`,
    `${path}?sig=${sig}`,
    `${path}?exp=${Number(exp) + 86_400}&sig=${sig}`,
    `${path}?exp=${exp}0&sig=${sig}`,
    `${path}?exp=${exp}&sig=${sig.slice(1)}`,
    `${path}?exp=${exp}&sig=${sig}&sig=${sig}`,
    `${path}?exp[]=${exp}&sig[]=${sig}`,
    `${second.split('?')[0]}?${query}`,
    `${path.replace('inputs', 'images')}?${query}`,
    `${path}/?${query}`,
    `${path.replace('/0', '/00')}?${query}`,
    `/jobs/${job.task_id}/inputs/0?${query}`,
    `/jobs/${job.id}?${query}`,
    `/jobs?${query}`,
  ]
  for (const one of forged) expect([one, [401, 404].includes((await service.call(one)).status)]).toEqual([one, true])
  const keyedCall = await service.call(path, { headers: ann })
  expect([keyedCall.status, keyedCall.headers.get('cache-control')]).toEqual([200, 'private, max-age=31536000, immutable'])
  expect((await service.call(`${path}?exp=1&sig=x`, { headers: ann })).status).toBe(200)
})

test('a signed URL opens until the second midnight after its signing', async () => {
  const clock = testClock(Date.UTC(2026, 0, 16) - 1)
  const service = await startTestService(keyed, { clock })
  const job = await jobWith(service, dataUrl(png), ann)
  const path = `/jobs/${job.id}/inputs/0`
  const signedEarlier = `${path}?${service.signer.signPath(path, Date.UTC(2026, 0, 14, 5))}`
  const last = await service.call(signedEarlier)
  expect([last.status, last.headers.get('cache-control')]).toEqual([200, 'public, max-age=0, immutable'])
  await clock.advance(1)
  expect(await refusalOf(await service.call(signedEarlier))).toMatchObject({ status: 401 })
  expect((await service.call(pathOf(job.inputs[0]?.url))).status).toBe(200)
})

test('a new secret in front of the old one in the data folder signs, and what the old one signed still opens', async () => {
  const settings = { DATA_DIR: await testFolder(), SANDBOX_FAULTS: 'lost' }
  const first = await startTestService(settings)
  const job = await jobWith(first, dataUrl(png))
  const old = pathOf(job.inputs[0]?.url)
  await first.close(2_000)
  const path = join(settings.DATA_DIR, 'secret')
  await writeFile(path, `a-new-secret-in-front\n${await readFile(path, 'utf8')}`)
  const second = await startTestService(settings)
  const signed = pathOf(((await (await second.call(`/jobs/${job.id}`)).json()) as JobView).inputs[0]?.url)
  expect(signed).not.toBe(old)
  for (const url of [old, signed]) expect((await second.call(url)).headers.get('cache-control')).toMatch(/^public/)
})

test('an index that is none is a 404', async () => {
  const service = await startTestService()
  const job = await service.ended((await jobWith(service, dataUrl(png))).id)
  for (const kind of ['images', 'inputs']) {
    for (const index of ['1', '99', '-1', '00', '0.0', 'x', '1e0', '%00', '0%00', ' 0', '99999', '__proto__', '..%2f0']) {
      const refusal = await refusalOf(await service.call(`/jobs/${job.id}/${kind}/${index}`))
      expect([kind, index, refusal]).toMatchObject([kind, index, { status: 404, code: 'not_found', param: 'index' }])
    }
  }
})

test('a picture whose copy is still to come is waited for, and by nobody who has gone', async () => {
  const clock = testClock()
  const service = await startTestService({ SANDBOX_FAULTS: 'empty', FETCH_ALLOW_PRIVATE: 'true' }, { clock })
  const job = await jobWith(service, dataUrl(png))
  const callback = new URL(service.sandbox?.submits[0]?.callbackUrl ?? '').pathname
  // Nobody listens there: it is tried again and again.
  const body = JSON.stringify({ data: [{ url: 'http://127.0.0.1:1/a.png' }] })
  await service.call(callback, { method: 'POST', body })
  await until(() => service.log.lines.some(line => line.event === 'image.copy_failed'))
  const before = clock.waiting()
  const line = await openLine(service.url)
  line.send(head(`GET /jobs/${job.id}/images/0`))
  await until(() => clock.waiting() === before + 1)
  line.socket.destroy()
  await until(() => clock.waiting() === before)
  const waiting = service.call(`/jobs/${job.id}/images/0`)
  await until(() => clock.waiting() === before + 1)
  await clock.advance(30_000)
  const response = await waiting
  expect(response.headers.get('retry-after')).toBe('5')
  expect(await refusalOf(response)).toMatchObject({ status: 503, code: 'unavailable' })
})

test('a picture whose file is gone is a 404 that names no path', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const job = await jobWith(service, dataUrl(png))
  await rm(join(service.dataDir, 'jobs', job.id), { recursive: true })
  const response = await service.call(`/jobs/${job.id}/inputs/0`)
  // A 404 that a cache keeps would outlive the file's return from a backup.
  expect([response.headers.get('cache-control'), response.headers.get('etag')]).toEqual([null, null])
  const refusal = await refusalOf(response)
  expect(refusal).toMatchObject({ status: 404 })
  expect(refusal.message).not.toContain(service.dataDir)
})

test('a data folder with any characters in its name will do', async () => {
  const service = await startTestService({ DATA_DIR: join(await testFolder(), 'a b%20?#ü&é..x'), SANDBOX_FAULTS: 'lost' })
  const job = await jobWith(service, dataUrl(png))
  const response = await service.call(`/jobs/${job.id}/inputs/0`)
  expect([response.status, (await response.arrayBuffer()).byteLength]).toEqual([200, png.length])
})
