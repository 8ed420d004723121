import { execFile, spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { testFolder } from '../support/folder.ts'
import { dataUrl, picture, pictureOfSize } from '../support/pictures.ts'
import { type Running, startTestService } from '../support/service.ts'
import { formType, imageOf, prompt, rawForm } from './forms.ts'
import { expectNothingDone, refusalOf } from './refusals.ts'

const png = await picture()
const base64 = png.toString('base64')
const link = 'https://example.com/a.png'
const lost = { SANDBOX_FAULTS: 'lost' }

async function inputsOf(response: Response): Promise<JobView['inputs']> {
  if (response.status !== 202) throw new Error(await response.text())
  return ((await response.json()) as JobView).inputs
}

const asJson = (path: string, body: object) => (service: Running) =>
  service.call(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

const urlencoded = (fields: [string, string][]): RequestInit => ({ method: 'POST', body: new URLSearchParams(fields) })

const form = (...parts: Parameters<typeof rawForm>[0]): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': formType },
  body: new Uint8Array(rawForm(parts)),
})

test('bare base64 in JSON is a picture: alone, in a list, beside URLs, and as a mask', async () => {
  const service = await startTestService(lost)
  const urlSafe = base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
  for (const image of [base64, [base64], [link, base64, dataUrl(png)], urlSafe, base64.replaceAll('/', '\\/')]) {
    const body = JSON.stringify({ prompt: 'a', model: 'somebody/new', image }).replaceAll('\\\\/', '\\/')
    const response = await service.call('/jobs', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    const inputs = await inputsOf(response)
    const files = inputs.filter(input => input.url !== link)
    expect(files).toHaveLength(Array.isArray(image) ? Math.max(1, image.length - 1) : 1)
    for (const file of files) expect([file.content_type, file.bytes]).toEqual(['image/png', png.length])
  }
  const masked = (await sharp(png).ensureAlpha(0).png().toBuffer()).toString('base64')
  const inputs = await inputsOf(await service.submit({ prompt: 'a', image: base64, mask: masked }))
  expect(inputs.map(input => [input.role, input.content_type])).toEqual([
    ['image', 'image/png'],
    ['mask', 'image/png'],
  ])
})

test('bare base64 of 20 MB comes through whole', async () => {
  const service = await startTestService(lost)
  const large = await pictureOfSize(20 * 2 ** 20)
  const [input] = await inputsOf(await service.submit({ prompt: 'a', image: large.toString('base64') }))
  expect(input?.bytes).toBe(large.length)
})

test('what is neither a URL nor base64 says what a picture may be, and broken base64 says so', async () => {
  const service = await startTestService(lost)
  const wrong: readonly (readonly [image: string, words: RegExp])[] = [
    ['photo.png', /http\(s\) URL, a data: URL, a file, or a picture in base64/],
    ['uploads/2026/photo', /http\(s\) URL, a data: URL, a file, or a picture in base64/],
    [`${'A'.repeat(200)}!`, /base64 is broken/],
    [
      Buffer.from('no picture, but long enough to be taken for one, which it is not at all').toString('base64'),
      /PNG, JPEG or WebP/,
    ],
  ]
  for (const [image, words] of wrong) {
    const refusal = await refusalOf(await service.submit({ prompt: 'a', image }))
    expect(refusal).toMatchObject({ status: 400, param: 'image', message: expect.stringMatching(words) })
  }
  await expectNothingDone(service)
})

test('a urlencoded body is taken, with a URL or several', async () => {
  const service = await startTestService(lost)
  const fields: [string, string][] = [
    ['prompt', 'dark & "quoted" ünï + plus'],
    ['image', link],
    ['n', ''],
    ['metadata', '{"order":"7"}'],
  ]
  const response = await service.call('/jobs', urlencoded(fields))
  expect(response.status).toBe(202)
  expect(await response.json()).toMatchObject({
    prompt: 'dark & "quoted" ünï + plus',
    n: 1,
    metadata: { order: '7' },
    inputs: [{ url: link }],
  })
  const several = await service.call(
    '/jobs',
    urlencoded([
      ['prompt', 'a'],
      ['image[]', link],
      ['image[]', `${link}?2`],
    ]),
  )
  expect(await inputsOf(several)).toHaveLength(2)
  const task = await service.call(
    '/openai/images/edits',
    urlencoded([
      ['prompt', 'a'],
      ['image', link],
      ['async', 'true'],
    ]),
  )
  expect(await task.json()).toEqual({ task_id: expect.any(String) })
})

test.skipIf(spawnSync('curl', ['--version']).status !== 0)('curl’s own ways of sending a form are taken', async () => {
  const service = await startTestService(lost)
  const file = join(await testFolder(), 'photo.png')
  await writeFile(file, png)
  const ways = [
    ['-d', 'prompt=dark', '--data-urlencode', `image=${link}`],
    ['-F', 'prompt=dark', '-F', `image=@${file}`],
    ['-F', 'prompt=dark', '-F', `image[0]=@${file}`, '-F', `image[1]=@${file}`],
    ['-F', 'prompt=dark', '-F', `image=${link}`, '-F', `image=${link}?2`, '-F', 'n='],
    ['-F', 'prompt=dark', '-F', `image=<${file};type=image/png`],
  ]
  for (const way of ways) {
    const { stdout } = await promisify(execFile)('curl', ['-s', '-w', '\n%{http_code}', ...way, `${service.url}/jobs`])
    expect([way, stdout.split('\n').at(-1)]).toEqual([way, '202'])
  }
})

test('a picture’s part is known by its type too, and its field by any of its names', async () => {
  const service = await startTestService(lost)
  const unnamed = { name: 'image', type: 'image/png', body: png }
  expect(await inputsOf(await service.call('/jobs', form(prompt, unnamed)))).toMatchObject([{ bytes: png.length }])
  for (const names of [
    ['image[0]', 'image[1]'],
    ['image[]', 'image[]'],
    ['image', 'image'],
  ]) {
    const parts = names.map(name => ({ ...imageOf(png), name }))
    expect(await inputsOf(await service.call('/jobs', form(prompt, ...parts)))).toHaveLength(2)
  }
  const alpha = await sharp(png).ensureAlpha(0).png().toBuffer()
  const masked = await service.call('/jobs', form(prompt, imageOf(png), { ...imageOf(alpha), name: 'mask[]' }))
  expect((await inputsOf(masked)).map(input => input.role)).toEqual(['image', 'mask'])
})

test('OpenAI’s own JSON is taken: images and a mask by image_url', async () => {
  const service = await startTestService(lost)
  const alpha = await sharp(png).ensureAlpha(0).png().toBuffer()
  const body = { prompt: 'a', images: [{ image_url: dataUrl(png) }], mask: { image_url: dataUrl(alpha) }, async: true }
  expect((await asJson('/openai/images/edits', body)(service)).status).toBe(200)
  expect(service.sandbox?.submits[0]).toMatchObject({ mask: { kind: 'file' } })
})

test('what cannot be taken says what it is and what to do', async () => {
  const service = await startTestService(lost)
  const heic = Buffer.concat([Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic'), Buffer.alloc(100)])
  const named: readonly (readonly [bytes: Buffer, words: RegExp])[] = [
    [heic, /by its bytes it is a HEIC picture: convert it to JPEG or PNG first/],
    [await picture({ format: 'avif' }), /an AVIF picture: convert/],
    [await picture({ format: 'gif' }), /a GIF: convert/],
    [Buffer.from('%PDF-1.7 and so on'), /a PDF: export/],
    [Buffer.from('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'), /an SVG drawing: export/],
    [Buffer.from('<!DOCTYPE html><html></html>'), /an HTML page/],
  ]
  for (const [bytes, words] of named) {
    for (const asked of [
      service.call('/jobs', form(prompt, { ...imageOf(bytes), filename: 'photo.jpg' })),
      service.submit({ prompt: 'a', image: dataUrl(bytes, 'image/jpeg') }),
    ])
      expect(await refusalOf(await asked)).toMatchObject({ status: 400, param: 'image', message: expect.stringMatching(words) })
  }
  const noBoundary = {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data' },
    body: new Uint8Array(rawForm([prompt])),
  }
  expect(await refusalOf(await service.call('/jobs', noBoundary))).toMatchObject({
    param: 'Content-Type',
    message: expect.stringMatching(/names no boundary: leave this header/),
  })
  const fileId = await asJson('/v1/images/edits', { prompt: 'a', images: [{ file_id: 'file-abc' }] })(service)
  expect(await fileId.json()).toMatchObject({
    error: { param: 'image', message: expect.stringMatching(/file_id names a file at OpenAI/) },
  })
  const inForm = await service.call('/jobs', form(prompt, { name: 'image', body: dataUrl(png) }))
  expect(await refusalOf(inForm)).toMatchObject({ param: 'image', message: expect.stringMatching(/send the picture as a file/) })
  await expectNothingDone(service)
})

test('sizes that the provider may refuse are warned of, and submitted', async () => {
  const service = await startTestService(lost)
  const warningsFor = async (fields: object): Promise<readonly string[]> =>
    ((await (await service.submit({ prompt: 'a', image: link, ...fields })).json()) as JobView).warnings
  expect(await warningsFor({ size: '512x512' })).toEqual([
    'size 512x512 has fewer than 655360 pixels: the provider may refuse it',
  ])
  expect(await warningsFor({ size: '3840x1024' })).toEqual(['size 3840x1024 is longer than 3:1: the provider may refuse it'])
  expect(await warningsFor({ size: '512x512', model: 'gpt-image-2:official' })).toHaveLength(1)
  for (const size of ['auto', '', '1024x1024', '3072x1024', '1672x941'])
    expect([size, await warningsFor({ size })]).toEqual([size, []])
  expect(service.sandbox?.submits).toHaveLength(8)
})
