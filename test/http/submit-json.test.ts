import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { dataUrl, picture, pictureOfSize } from '../support/pictures.ts'
import { type Running, startTestService } from '../support/service.ts'
import { expectNothingDone, refusalOf } from './refusals.ts'
import { head, openLine } from './wire.ts'

const png = dataUrl(await picture())
const good = { prompt: 'dark mode', image: png }
const json = { 'content-type': 'application/json' }

function post(service: Running, body: RequestInit['body'], headers: Record<string, string> = json): Promise<Response> {
  return service.call('/jobs', { method: 'POST', headers, body: body ?? null, duplex: 'half' })
}

/** Fields that are wrong, and the field that each is to be blamed on. */
const wrongFields: readonly (readonly [param: string, fields: object])[] = [
  ...[null, '', '  \n', 5, true, [], {}, ['a'], 'x'.repeat(32_001), '\ud800'].map(prompt => ['prompt', { prompt }] as const),
  ...[null, [], '', ' ', 5, true, {}, { url: 'https://example.com/a.png' }, [null], [['https://example.com/a.png']]].map(
    image => ['image', { image }] as const,
  ),
  ...[
    'not a url',
    'ftp://example.com/a.png',
    'file:///etc/passwd',
    '//example.com/a.png',
    `https://example.com/${'x'.repeat(8_200)}`,
  ].map(image => ['image', { image }] as const),
  ...['data:', 'data:,', 'data:image/png,hello', 'data:image/png;base64,', 'data:text/html;base64,PGI+'].map(
    image => ['image', { image }] as const,
  ),
  ['image', { image: ['https://example.com/a.png', 5] }],
  ['image', { image: dataUrl(Buffer.from('GIF89a, and nothing else of a picture')) }],
  ['image', { image: 'http://10.0.0.1/a.png', model: 'gpt-image-1' }],
  ['image', { image: 'http://127.0.0.1:1/a.png', model: 'gpt-image-1' }],
  ['image', { image: [png, png], model: 'dall-e-2' }],
  ['image', { image: Array.from({ length: 17 }, () => png) }],
  ['image', { image: Array.from({ length: 17 }, () => 'https://example.com/a.png') }],
  ['image', { image: Array.from({ length: 19 }, () => png) }],
  ...[5, [png, png], {}, 'nothing', dataUrl(Buffer.from('no picture'))].map(mask => ['mask', { mask }] as const),
  ...[5, {}, [], 'two words', 'x'.repeat(101), 'ü', 'a\u0000b'].map(model => ['model', { model }] as const),
  ...[0, 11, -1, 1.5, '2', '', true, [], {}].map(n => ['n', { n }] as const),
  ...['big', '1024', '1024x', '1023x1024', '0x0', '8192x8192', '3840x3840', 5, {}, true].map(size => ['size', { size }] as const),
  ...['quality', 'background', 'input_fidelity', 'output_format', 'response_format', 'user'].flatMap(name =>
    [5, {}, true, ['a']].map(value => [name, { [name]: value }] as const),
  ),
  ...[-1, 101, 1.5, '5', {}].map(value => ['output_compression', { output_compression: value }] as const),
  ...['https://example.com/hook', '', 0, false].map(value => ['callback_url', { callback_url: value }] as const),
  ...[true, false, 'true'].flatMap(value =>
    ['async', 'stream', 'partial_images'].map(name => [name, { [name]: value }] as const),
  ),
  ...['nothing', 'ftp://example.com', 'http://127.0.0.1/', 'http://localhost/', 'http://10.1.2.3/', 'http://[::1]/', 5, {}].map(
    url => ['webhook_url', { webhook_url: url }] as const,
  ),
  ...['job.succeeded', [], ['job.unknown'], [5], {}, 5].map(events => ['webhook_events', { webhook_events: events }] as const),
  ...[5, 'text', [], [['a', 'b']], { a: 1 }, { a: null }, { a: { b: 'c' } }, { '': 'a' }, { a: 'x'.repeat(513) }].map(
    metadata => ['metadata', { metadata }] as const,
  ),
  ['metadata', { metadata: { ['k'.repeat(65)]: 'a' } }],
  ['metadata', { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`k${index}`, 'v'])) }],
  ...[0, -1, 1.5, 2_401, '60', true, [], {}].map(value => ['timeout_s', { timeout_s: value }] as const),
]

test('every field that is wrong is refused by its name, and nothing is submitted or kept', async () => {
  const service = await startTestService()
  const wronglyAnswered: unknown[] = []
  for (const [param, fields] of wrongFields) {
    const refusal = await refusalOf(await service.submit({ ...good, ...fields }))
    const right = refusal.status === 400 && refusal.code === 'invalid_request' && refusal.param === param
    if (!right) wronglyAnswered.push({ fields: JSON.stringify(fields).slice(0, 100), ...refusal })
  }
  expect(wronglyAnswered).toEqual([])
  await expectNothingDone(service)
})

test('bodies that are no JSON object are refused', async () => {
  const service = await startTestService()
  const text = JSON.stringify(good)
  const bodies: readonly (string | Uint8Array)[] = [
    '',
    ' ',
    'null',
    'true',
    '5',
    '"text"',
    '[]',
    '[{}]',
    '{',
    '{}x',
    '{"prompt":',
    'prompt=dark&image=x',
    '{\'prompt\': "x"}',
    text.slice(0, -1),
    text.slice(0, 200),
    `${text}${text}`,
    `${text},`,
    text.replace('"', ''),
    text.replace('base64,', 'base64,\n'),
    text.replace('base64,', 'base64,!!!'),
    Buffer.from(text, 'utf16le'),
    Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]),
    Buffer.from(JSON.stringify({ ...good, prompt: 'fünf' }), 'latin1'),
    Buffer.concat([Buffer.from(text.slice(0, -1)), Buffer.from([0xc3])]),
    Buffer.from([0x7b, 0xf0, 0x9f, 0x98]),
    Buffer.alloc(100),
  ]
  for (const body of bodies) {
    const refusal = await refusalOf(await post(service, body))
    expect([String(body).slice(0, 40), refusal.status, refusal.code]).toEqual([String(body).slice(0, 40), 400, 'invalid_request'])
  }
  await expectNothingDone(service)
})

test('characters that are cut by the borders of chunks are read as what they are', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const prompt = 'ü€😀'.repeat(40)
  const body = Buffer.from(JSON.stringify({ ...good, prompt }))
  const stream = new ReadableStream({
    start(controller) {
      for (let at = 0; at < 500; at += 1) controller.enqueue(body.subarray(at, at + 1))
      controller.enqueue(body.subarray(500))
      controller.close()
    },
  })
  const response = await post(service, stream)
  expect(response.status).toBe(202)
  expect(((await response.json()) as JobView).prompt).toBe(prompt)
  expect(service.sandbox?.submits[0]?.prompt).toBe(prompt)
})

test('a byte order mark, a charset and odd spelling of the content type do no harm', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const text = JSON.stringify(good)
  const types = [
    'application/json; charset=utf-8',
    'Application/JSON',
    'application/json;charset=iso-8859-1',
    'application/json ; a=b',
  ]
  for (const type of types) expect([type, (await post(service, text, { 'content-type': type })).status]).toEqual([type, 202])
  expect((await post(service, `\ufeff${text}`)).status).toBe(202)
  expect((await post(service, text, { ...json, 'content-encoding': 'Identity' })).status).toBe(202)
})

test('other content types and encoded bodies are refused with 415', async () => {
  const service = await startTestService()
  const text = JSON.stringify(good)
  const types = ['text/plain', 'text/json', 'application/jsonp', 'image/png', '*/*', 'json', ';', 'a/b/c']
  for (const type of types) {
    const refusal = await refusalOf(await post(service, text, { 'content-type': type }))
    expect([type, refusal.status, refusal.code]).toEqual([type, 415, 'unsupported_media_type'])
  }
  expect((await refusalOf(await post(service, Buffer.from(text), {}))).status).toBe(415)
  for (const encoding of ['gzip', 'deflate', 'br', 'zstd', 'garbage', 'gzip, gzip']) {
    const refusal = await refusalOf(await post(service, gzipSync(text), { ...json, 'content-encoding': encoding }))
    expect([encoding, refusal.status, refusal.param]).toEqual([encoding, 415, 'Content-Encoding'])
  }
  await expectNothingDone(service)
})

test('deep nesting, floods of fields and long names are refused', async () => {
  const service = await startTestService()
  const many = Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`field${index}`, 1]))
  const bodies = [
    `{"prompt":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
    '['.repeat(20_000),
    '{"a":'.repeat(20_000),
    JSON.stringify({ ...good, ...many }),
    JSON.stringify({ ...good, ['n'.repeat(201)]: 1 }),
    JSON.stringify({ ...good, '': 1 }),
    JSON.stringify({ ...good, '\ud800': 1 }),
  ]
  for (const body of bodies) expect((await refusalOf(await post(service, body))).status).toBe(400)
  await expectNothingDone(service)
})

test('fields with the names of what every object has are fields like any other', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const text = JSON.stringify(good).slice(0, -1)
  const response = await post(
    service,
    `${text}, "__proto__": {"polluted": true}, "constructor": "c", "toString": "t", "metadata": {"__proto__": "m"}}`,
  )
  expect(response.status).toBe(202)
  const { id } = (await response.json()) as JobView
  const job = (await (await service.call(`/jobs/${id}`)).json()) as JobView
  expect(Object.keys(job.params)).toEqual(['__proto__', 'constructor', 'toString'])
  expect(Object.entries(job.metadata)).toEqual([['__proto__', 'm']])
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
})

test('pictures, texts and requests that are too large are refused with 413, by the field', async () => {
  const service = await startTestService({ MAX_IMAGE_BYTES: '2000', MAX_REQUEST_BYTES: '1500000' })
  const large = dataUrl(await pictureOfSize(2_001))
  const cases: readonly (readonly [string | null, object])[] = [
    ['image', { image: large }],
    ['image', { image: [png, large] }],
    ['image[]', { image: undefined, 'image[]': [large] }],
    ['mask', { mask: large }],
    [null, { prompt: 'x'.repeat(2 ** 20) }],
    [null, { other: 'x'.repeat(1_500_000) }],
  ]
  for (const [param, fields] of cases) {
    const refusal = await refusalOf(await service.submit({ ...good, ...fields }))
    expect([refusal.status, refusal.code, refusal.param]).toEqual([413, 'payload_too_large', param])
  }
  expect((await service.submit({ ...good, image: dataUrl(await pictureOfSize(2_000)), prompt: 'fault:lost' })).status).toBe(202)
  expect(service.sandbox?.charges).toBe(1)
})

test('a body without a length is refused as soon as it is too large', async () => {
  const service = await startTestService({ MAX_REQUEST_BYTES: '300000' })
  const line = await openLine(service.url)
  line.send(head('POST /jobs', { ...json, 'transfer-encoding': 'chunked' }))
  line.send('21\r\n{"image": "data:image/png;base64,\r\n')
  line.send(`60000\r\n${'A'.repeat(0x60000)}\r\n`)
  expect(JSON.parse((await line.answer()).body)).toMatchObject({ error: { code: 'payload_too_large' } })
  line.socket.destroy()
  await expectNothingDone(service)
})

test('the last of doubled keys counts, and the picture of the first is not kept', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const jpeg = dataUrl(await picture({ format: 'jpeg' }), 'image/jpeg')
  const response = await post(service, `{"prompt": "a", "image": "${png}", "prompt": "b", "image": "${jpeg}"}`)
  const job = (await response.json()) as JobView
  expect(job).toMatchObject({ prompt: 'b', inputs: [{ content_type: 'image/jpeg' }] })
  expect(job.inputs).toHaveLength(1)
})
