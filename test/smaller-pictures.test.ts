import { readdir } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import sharp from 'sharp'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { JobView } from '../src/domain/view.ts'
import { withSegments } from './support/odd-pictures.ts'
import { dataUrl, picture } from './support/pictures.ts'
import { type Running, startTestService } from './support/service.ts'

async function finish(service: Running, body: object): Promise<JobView> {
  const response = await service.submit({ prompt: 'dark', model: 'gpt-image-1', size: '1024x1536', ...body })
  return service.ended(((await response.json()) as JobView).id)
}

test('a picture is shown in a smaller width, kept for the next time, with a name of its own to caches', async () => {
  const service = await startTestService()
  const job = await finish(service, { image: dataUrl(await picture({ width: 800, height: 400 })) })
  const whole = await service.call(`/jobs/${job.id}/images/0`)
  const answers = await Promise.all([1, 2, 3].map(() => service.call(`/jobs/${job.id}/images/0?width=320`)))
  for (const answer of answers) {
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('image/webp')
    expect(answer.headers.get('etag')).not.toBe(whole.headers.get('etag'))
    expect(answer.headers.get('cache-control')).toContain('immutable')
    const { width, height, format } = await sharp(Buffer.from(await answer.arrayBuffer())).metadata()
    expect([width, height, format]).toEqual([320, 480, 'webp'])
  }
  const kept = (await readdir(join(service.dataDir, 'jobs', job.id))).filter(name => name.endsWith('.w320'))
  expect(kept).toHaveLength(1)
  const input = await service.call(`/jobs/${job.id}/inputs/0?width=160`)
  expect((await sharp(Buffer.from(await input.arrayBuffer())).metadata()).width).toBe(160)
})

test('a picture that is no wider is shown as it is, and a width that is none is refused', async () => {
  const service = await startTestService()
  const job = await finish(service, { image: dataUrl(await picture()), size: '16x16' })
  const answer = await service.call(`/jobs/${job.id}/images/0?width=160`)
  expect(answer.headers.get('content-type')).toBe('image/png')
  for (const width of ['0', '161', 'x', '', '-160', '160&width=320']) {
    const refused = await service.call(`/jobs/${job.id}/images/0?width=${width}`)
    expect(refused.status, width).toBe(400)
    expect(await refused.json()).toMatchObject({ error: { code: 'invalid_request', param: 'width' } })
  }
})

test('the signed URL of a picture also opens its smaller widths', async () => {
  const service = await startTestService({ API_KEYS: 'web:web-secret' })
  const headers = { authorization: 'Bearer web-secret' }
  const body = { prompt: 'dark', image: dataUrl(await picture()), model: 'gpt-image-1', size: '1024x1024' }
  const { id } = (await (await service.submit(body, headers)).json()) as JobView
  const job = (await (await service.call(`/jobs/${id}?wait=20`, { headers })).json()) as JobView
  const { pathname, search } = new URL(job.result?.data[0]?.url ?? '')
  expect((await service.call(`${pathname}${search}&width=640`)).status).toBe(200)
  expect((await service.call(`${pathname}?width=640`)).status).toBe(401)
})

test('a result that cannot be copied yet is passed through from the provider, and not to be cached', {
  timeout: 40_000,
}, async () => {
  const bytes = await picture({ width: 100, height: 50 })
  let asked = 0
  // Fails the copy, and answers the next who asks.
  const server = createServer((_request, response) => {
    asked += 1
    if (asked === 1) response.writeHead(500).end()
    else response.writeHead(200, { 'content-type': 'text/html' }).end(bytes)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
  })
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const service = await startTestService({ FETCH_ALLOW_PRIVATE: 'true', SANDBOX_FAULTS: 'lost' }, { chance: () => 0.999 })
  const { id } = (await (await service.submit({ prompt: 'dark', image: dataUrl(await picture()) })).json()) as JobView
  const callback = new URL(service.sandbox?.submits[0]?.callbackUrl ?? '')
  const result = { success: true, data: [{ url: `http://127.0.0.1:${port}/a.png` }] }
  await service.call(callback.pathname, { method: 'POST', body: JSON.stringify(result) })
  const answer = await service.call(`/jobs/${id}/images/0`)
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toBe('image/png')
  expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true)
  expect(['no-store', 'private, max-age=31536000, immutable']).toContain(answer.headers.get('cache-control'))
})

test('a picture that cannot be made smaller is shown as it is', async () => {
  const service = await startTestService()
  const whole = await picture({ width: 800, height: 400 })
  const broken = whole.subarray(0, whole.length - 40)
  const result = await finish(service, { image: dataUrl(broken) })
  const answer = await service.call(`/jobs/${result.id}/inputs/0?width=160`)
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/png'])
  expect(Buffer.from(await answer.arrayBuffer()).equals(broken)).toBe(true)
  expect((await readdir(join(service.dataDir, 'jobs', result.id))).filter(name => name.includes('.w160'))).toEqual([])
})

test('a picture that takes too long to make smaller is shown as it is', async () => {
  const service = await startTestService()
  const whole = await picture({ width: 800, height: 400 })
  const job = await finish(service, { image: dataUrl(whole) })
  // As sharp ends when the time is over.
  const timeout = vi.spyOn(sharp.prototype, 'timeout').mockImplementation(() => {
    throw new Error('timeout: 42% complete')
  })
  const answer = await service.call(`/jobs/${job.id}/inputs/0?width=160`)
  expect(timeout).toHaveBeenCalledWith({ seconds: 10 })
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/png'])
  expect(Buffer.from(await answer.arrayBuffer()).equals(whole)).toBe(true)
  expect(service.log.lines).toContainEqual(expect.objectContaining({ level: 'warn', event: 'picture.not_made_smaller' }))
})

test('a turned picture is made smaller by the width at which it is shown, and stands as it does', async () => {
  const service = await startTestService()
  const upright = await sharp(await picture({ width: 600, height: 200 }))
    .jpeg()
    .withMetadata({ orientation: 6 })
    .toBuffer()
  const job = await finish(service, { image: dataUrl(upright, 'image/jpeg') })
  const sizeAt = async (width: number): Promise<unknown> => {
    const answer = await service.call(`/jobs/${job.id}/inputs/0?width=${width}`)
    const { format, autoOrient } = await sharp(Buffer.from(await answer.arrayBuffer())).metadata()
    return { format, ...autoOrient }
  }
  // Shown it is 200 wide and 600 high: never enlarged, and never left as it is for its other side.
  expect(await sizeAt(160)).toEqual({ format: 'webp', width: 160, height: 480 })
  expect(await sizeAt(320)).toEqual({ format: 'jpeg', width: 200, height: 600 })
})

test('a picture whose size stands far behind its beginning is made smaller too', async () => {
  const service = await startTestService()
  const jpeg = withSegments(await picture({ width: 700, height: 350, format: 'jpeg' }), 400_000)
  const job = await finish(service, { image: dataUrl(jpeg, 'image/jpeg') })
  const answer = await service.call(`/jobs/${job.id}/inputs/0?width=320`)
  expect(answer.headers.get('content-type')).toBe('image/webp')
  expect((await sharp(Buffer.from(await answer.arrayBuffer())).metadata()).width).toBe(320)
})
