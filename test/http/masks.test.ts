import { randomBytes } from 'node:crypto'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { serve } from '../net/servers.ts'
import { type Running, startTestService } from '../support/service.ts'
import { formType, imageOf, type Part, prompt, rawForm } from './forms.ts'
import { expectNothingDone, refusalOf, storedFiles } from './refusals.ts'

const [width, height] = [64, 48]
const canvas = { create: { width, height, channels: 4, background: '#336699' } } as const
const image = await sharp(canvas).png().toBuffer()
/** Transparent in its left half. */
const mask = await sharp(canvas)
  .composite([{ input: { create: { width: 32, height, channels: 4, background: '#000f' } }, left: 0, top: 0, blend: 'dest-out' }])
  .png()
  .toBuffer()

const maskPart = (body: Buffer): Part => ({ name: 'mask', filename: 'mask.png', type: 'image/png', body })

function submit(service: Running, parts: readonly Part[]): Promise<Response> {
  const body = new Uint8Array(rawForm([prompt, ...parts]))
  return service.call('/jobs', { method: 'POST', headers: { 'content-type': formType }, body })
}

async function alphaOf(bytes: Buffer): Promise<Buffer> {
  return sharp(bytes).ensureAlpha().extractChannel('alpha').raw().toBuffer()
}

/** The mask as the service keeps it, and sends it. */
async function keptMask(service: Running, response: Response): Promise<Buffer> {
  expect(response.status).toBe(202)
  const job = (await response.json()) as JobView
  const at = job.inputs.findIndex(input => input.role === 'mask')
  return Buffer.from(await (await service.call(`/jobs/${job.id}/inputs/${at}`)).arrayBuffer())
}

test('a mask that is as the provider wants it is sent as it is', async () => {
  const service = await startTestService()
  expect((await keptMask(service, await submit(service, [imageOf(image), maskPart(mask)]))).equals(mask)).toBe(true)
})

test('a mask in another format is made a PNG that masks the same, and nothing else is left of it', async () => {
  const service = await startTestService()
  const webp = await sharp(mask).webp({ lossless: true }).toBuffer()
  const kept = await keptMask(service, await submit(service, [imageOf(image), maskPart(webp)]))
  expect((await sharp(kept).metadata()).format).toBe('png')
  expect((await alphaOf(kept)).equals(await alphaOf(mask))).toBe(true)
  expect((await storedFiles(service)).filter(name => name.includes('/in-'))).toHaveLength(2)
})

test('a mask of more than 4 MB is made smaller, and masks the same', async () => {
  const service = await startTestService()
  const side = 1_200
  const noise = randomBytes(side * side * 4)
  // Its colours are noise, what it masks is a plain rectangle.
  for (let at = 3; at < noise.length; at += 4) noise[at] = (at >> 2) % side < 300 ? 0 : 255
  const large = await sharp(noise, { raw: { width: side, height: side, channels: 4 } })
    .png()
    .toBuffer()
  expect(large.length).toBeGreaterThan(4_000_000)
  const picture = await sharp({ create: { width: side, height: side, channels: 3, background: 'white' } })
    .jpeg()
    .toBuffer()
  const kept = await keptMask(service, await submit(service, [imageOf(picture), maskPart(large)]))
  expect(kept.length).toBeLessThanOrEqual(4_000_000)
  expect((await alphaOf(kept)).equals(await alphaOf(large))).toBe(true)
})

test('a mask that cannot be made right is a 400 that says what would be, and nothing is charged', async () => {
  const service = await startTestService()
  const wrong: readonly (readonly [mask: Buffer, words: RegExp])[] = [
    [await sharp(mask).removeAlpha().png().toBuffer(), /no alpha channel/],
    [await sharp(mask).flatten().jpeg().toBuffer(), /no alpha channel/],
    [await sharp(mask).resize(65, 48).png().toBuffer(), /64x48; this one has 65x48/],
    [mask.subarray(0, 30), /cannot be read/],
  ]
  for (const [bytes, words] of wrong) {
    const refusal = await refusalOf(await submit(service, [imageOf(image), maskPart(bytes)]))
    expect(refusal).toMatchObject({ status: 400, param: 'mask', message: expect.stringMatching(words) })
  }
  await expectNothingDone(service)
})

test('a mask fits a picture that is turned by its EXIF, as it is shown and as it is stored', async () => {
  const service = await startTestService()
  const turned = await sharp(image).withMetadata({ orientation: 6 }).jpeg().toBuffer()
  const asShown = await sharp(mask).rotate(90).png().toBuffer()
  for (const fitting of [mask, asShown]) {
    const response = await submit(service, [imageOf(turned), maskPart(fitting)])
    expect([response.status, ((await response.json()) as JobView).warnings]).toEqual([202, []])
  }
})

test('a mask beside a picture that is given by URL: the picture is fetched, and both go as files', async () => {
  const service = await startTestService({ FETCH_ALLOW_PRIVATE: 'true' })
  const host = await serve((_request, response) => response.setHeader('content-type', 'image/png').end(image))
  const response = await submit(service, [{ name: 'image', body: `${host.origin}/a.png` }, maskPart(mask)])
  expect(response.status).toBe(202)
  const job = await service.ended(((await response.json()) as JobView).id)
  expect(job.status).toBe('succeeded')
  const [sent] = service.sandbox?.submits ?? []
  expect(sent?.images.concat(sent.mask ?? []).map(input => input.kind)).toEqual(['file', 'file'])
})

test('an unknown model gets the mask that was sent, whatever it is', async () => {
  const service = await startTestService()
  const odd = await sharp(mask).resize(10, 10).removeAlpha().png().toBuffer()
  const parts = [imageOf(image), maskPart(odd), { name: 'model', body: 'somebody/new' }]
  expect((await keptMask(service, await submit(service, parts))).equals(odd)).toBe(true)
})
