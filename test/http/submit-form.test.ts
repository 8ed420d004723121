import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { picture, pictureOfSize } from '../support/pictures.ts'
import { type Running, startTestService } from '../support/service.ts'
import { formType, imageOf, type Part, prompt, rawForm } from './forms.ts'
import { expectNothingDone, refusalOf, storedFiles, until } from './refusals.ts'
import { head, openLine } from './wire.ts'

const png = await picture()
const jpeg = await picture({ format: 'jpeg' })
const image = imageOf(png)

function postForm(service: Running, parts: readonly Part[], type = formType): Promise<Response> {
  return postBytes(service, rawForm(parts), type)
}

function postBytes(service: Running, body: Buffer, type = formType): Promise<Response> {
  return service.call('/jobs', { method: 'POST', headers: { 'content-type': type }, body: new Uint8Array(body) })
}

const text = (name: string, body: string): Part => ({ name, body })

const wrongForms: readonly (readonly [param: string | null, parts: readonly Part[]])[] = [
  ['prompt', []],
  ['prompt', [image]],
  ['prompt', [text('prompt', ''), image]],
  ['prompt', [prompt, prompt, image]],
  ['image', [prompt]],
  ['image', [prompt, text('image', '')]],
  ['image', [prompt, text('image', 'not a url')]],
  ['image', [prompt, text('image', `data:image/png;base64,${png.toString('base64')}`)]],
  ['image', [prompt, imageOf(Buffer.alloc(0))]],
  ['image', [prompt, imageOf(Buffer.from('no picture'))]],
  ['image', [prompt, { name: 'image', filename: '', type: 'application/octet-stream', body: '' }]],
  ['image', [prompt, ...Array.from({ length: 17 }, () => image)]],
  ['image', [prompt, ...Array.from({ length: 30 }, () => image)]],
  ['image[]', [prompt, { ...image, name: 'image[]', body: 'no picture' }]],
  ['mask', [prompt, image, { ...image, name: 'mask' }, { ...image, name: 'mask' }]],
  ['picture', [prompt, { ...image, name: 'picture' }]],
  ['prompt', [{ ...image, name: 'prompt' }, image]],
  ['image[x]', [prompt, { ...image, name: 'image[x]' }]],
  ['__proto__', [prompt, { ...image, name: '__proto__' }]],
  [null, [prompt, { ...image, name: '' }]],
  [null, [prompt, image, text('', 'nameless')]],
  [null, [prompt, image, text('n'.repeat(201), 'a')]],
  [null, [prompt, image, ...Array.from({ length: 101 }, (_, index) => text(`field${index}`, 'a'))]],
  [null, [prompt, image, ...Array.from({ length: 250 }, () => text('same', 'a'))]],
  ['n', [prompt, image, text('n', '1.5')]],
  ['n', [prompt, image, text('n', '1'), text('n', '2')]],
  ['metadata', [prompt, image, text('metadata', '{')]],
  ['metadata', [prompt, image, text('metadata', '5')]],
  ['metadata', [prompt, image, text('metadata', '["a"]')]],
  ['webhook_events', [prompt, image, text('webhook_events', 'job.succeeded')]],
  ['callback_url', [prompt, image, text('callback_url', 'https://example.com')]],
  ['stream', [prompt, image, text('stream', 'false')]],
  ['timeout_s', [prompt, image, text('timeout_s', '1e2')]],
  ['prompt', [{ name: 'prompt', body: Buffer.from('fünf', 'latin1') }, image]],
]

test('every form that is wrong is refused by the field, and nothing is submitted or kept', async () => {
  const service = await startTestService()
  const wronglyAnswered: unknown[] = []
  for (const [param, parts] of wrongForms) {
    const refusal = await refusalOf(await postForm(service, parts))
    if (refusal.status !== 400 || refusal.code !== 'invalid_request' || refusal.param !== param)
      wronglyAnswered.push({ wanted: param, parts: parts.length, ...refusal })
  }
  expect(wronglyAnswered).toEqual([])
  await expectNothingDone(service)
})

test('forms that are cut, misframed or none at all are refused', async () => {
  const service = await startTestService()
  const whole = rawForm([prompt, image])
  const bodies = [
    Buffer.alloc(0),
    Buffer.from('--a-boundary--\r\n'),
    Buffer.from('a-boundary'),
    Buffer.from(JSON.stringify({ prompt: 'a', image: 'https://example.com/a.png' })),
    Buffer.alloc(300_000, '-'),
    rawForm([prompt, image], ''),
    ...[1, 20, 60, 90, 120, 200, whole.length - 60, whole.length - 20].map(length => whole.subarray(0, length)),
    rawForm([prompt, imageOf(await pictureOfSize(600_000))]).subarray(0, 400_000),
  ]
  for (const body of bodies) {
    const refusal = await refusalOf(await postBytes(service, body))
    expect([body.length, refusal.status, refusal.code]).toEqual([body.length, 400, 'invalid_request'])
  }
  const types = [
    'multipart/form-data',
    'multipart/form-data; boundary=',
    'multipart/form-data; boundary=other',
    'multipart/form-data; boundary="',
  ]
  for (const type of types) {
    const refusal = await refusalOf(await postBytes(service, whole, type))
    expect([type, refusal.status]).toEqual([type, 400])
  }
  for (const type of ['multipart/mixed; boundary=a-boundary', 'multipart/form-database; boundary=a-boundary'])
    expect((await refusalOf(await postBytes(service, whole, type))).status).toBe(415)
  await expectNothingDone(service)
})

test('parts whose headers make no sense are refused or left out, never an error of ours', async () => {
  const service = await startTestService()
  const headers: readonly (readonly string[])[] = [
    [],
    ['Nothing'],
    ['Content-Disposition: attachment; name="prompt"'],
    ['Content-Disposition: form-data'],
    ['Content-Disposition: form-data; name="image"; filename="a\0b.png"'],
    [`Content-Disposition: form-data; name="image"; filename="${'x'.repeat(90_000)}"`],
    ["Content-Disposition: form-data; name*=utf-8''%zz; filename*=utf-8''%ff"],
    ...['charset=garbage', 'charset=', 'charset', 'charset="'].map(charset => [
      'Content-Disposition: form-data; name="user"',
      `Content-Type: text/plain; ${charset}`,
    ]),
    ['Content-Disposition: form-data; name="image"; filename="a.png"', `Content-Type: ${'x/'.repeat(1_000)}`],
    Array.from({ length: 2_500 }, (_, index) => `X-${index}: a`),
  ]
  for (const lines of headers) {
    // The prompt is missing, so that none of them can be right.
    const refusal = await refusalOf(await postForm(service, [image, { body: 'fünf', headers: lines }]))
    expect([lines[0]?.slice(0, 60), refusal.status]).toEqual([lines[0]?.slice(0, 60), 400])
  }
  await expectNothingDone(service)
})

test('pictures, texts and forms that are too large are refused with 413', async () => {
  const service = await startTestService({ MAX_IMAGE_BYTES: '400000', MAX_REQUEST_BYTES: '3000000' })
  const large = imageOf(await pictureOfSize(400_001))
  const half = imageOf(await pictureOfSize(400_000))
  const cases: readonly (readonly [string | null, readonly Part[]])[] = [
    ['image', [prompt, large]],
    ['image', [prompt, half, half, large]],
    ['mask', [prompt, image, { ...large, name: 'mask' }]],
    ['prompt', [text('prompt', 'x'.repeat(2 ** 20 + 1)), image]],
    ['b', [prompt, image, text('a', 'x'.repeat(600_000)), text('b', 'x'.repeat(600_000))]],
    [null, [prompt, ...Array.from({ length: 8 }, () => half)]],
  ]
  for (const [param, parts] of cases) {
    const refusal = await refusalOf(await postForm(service, parts))
    expect([parts.length, refusal.status, refusal.code, refusal.param]).toEqual([parts.length, 413, 'payload_too_large', param])
  }
  await expectNothingDone(service)
  expect((await postForm(service, [text('prompt', 'fault:lost'), half])).status).toBe(202)
})

test('a form without a length is cut as soon as it is too large', async () => {
  const service = await startTestService({ MAX_REQUEST_BYTES: '300000' })
  const line = await openLine(service.url)
  const chunk = (bytes: Buffer): Buffer =>
    Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
  line.send(head('POST /jobs', { 'content-type': formType, 'transfer-encoding': 'chunked' }))
  line.send(chunk(rawForm([prompt, imageOf(await pictureOfSize(300_000))], '')))
  const answer = await line.answer()
  expect(answer.status).toBe(413)
  line.socket.destroy()
  await expectNothingDone(service)
})

test('files and URLs keep the order in which they were sent, whatever the parts are called', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const response = await postForm(service, [
    { name: 'image[]', filename: 'a', body: png, type: 'application/octet-stream' },
    { name: 'image[]', body: 'https://example.com/b.png' },
    { name: 'image[]', filename: '', type: 'application/octet-stream', body: '' },
    { name: 'image[]', filename: 'c.txt', body: jpeg, type: 'text/plain' },
    { name: 'mask', filename: '', type: 'application/octet-stream', body: '' },
    { name: 'model', body: 'not-in-the-catalogue' },
    { name: 'prompt', type: 'text/plain; charset=iso-8859-1', body: Buffer.from('fünf', 'latin1') },
    { name: 'n', body: '2' },
    { name: 'metadata', body: '{"a": "b"}' },
  ])
  expect(response.status).toBe(202)
  const job = (await response.json()) as JobView
  expect(job).toMatchObject({ prompt: 'fünf', n: 2, metadata: { a: 'b' } })
  expect(job.inputs.map(input => input.content_type ?? input.url)).toEqual([
    'image/png',
    'https://example.com/b.png',
    'image/jpeg',
  ])
  const files = (await storedFiles(service)).filter(file => file.includes('/'))
  expect(files).toHaveLength(2)
})

test('a client that goes away midway leaves nothing behind', async () => {
  const service = await startTestService()
  const form = rawForm([prompt, imageOf(await pictureOfSize(700_000))])
  const json = JSON.stringify({
    prompt: 'dark',
    image: `data:image/png;base64,${(await pictureOfSize(700_000)).toString('base64')}`,
  })
  for (const [type, body] of [
    [formType, form],
    ['application/json', Buffer.from(json)],
  ] as const) {
    const line = await openLine(service.url)
    line.send(head('POST /jobs', { 'content-type': type, 'content-length': body.length }))
    line.send(body.subarray(0, 600_000))
    await until(async () => (await storedFiles(service)).length > 1)
    line.socket.destroy()
    await until(async () => (await storedFiles(service)).length === 0)
  }
  await expectNothingDone(service)
})

test('what was sent is what is kept', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const large = await pictureOfSize(1_000_003)
  const job = (await (await postForm(service, [imageOf(large), prompt])).json()) as JobView
  const [, file = ''] = (await storedFiles(service)).toSorted((a, b) => a.length - b.length)
  expect(file.startsWith(job.id)).toBe(true)
  expect((await readFile(join(service.dataDir, 'jobs', file))).equals(large)).toBe(true)
})
