import { randomBytes } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import type { SubmitInput, SubmitOrder } from '../../src/domain/provider.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { picture } from '../support/pictures.ts'
import { type Connected, connect, httpServer, json, type Seen, sha256, submit } from './setting.ts'

async function echo(): Promise<{ connected: Connected; seen: Seen[] }> {
  const { url, seen } = await httpServer(response => json(response, 200, { task_id: 't-1' }))
  return { connected: await connect(`${url}/v1`), seen }
}

/** Sends one submit; gives the request as it came in. */
async function wire(changes: Partial<SubmitOrder>, from?: { connected: Connected; seen: Seen[] }): Promise<Seen> {
  const { connected, seen } = from ?? (await echo())
  expect(await submit(connected, changes)).toMatchObject({ kind: 'accepted', taskId: 't-1' })
  const [request] = seen
  if (request === undefined) throw new Error('nothing came')
  return request
}

/** The form as another parser than any of ours reads it. */
async function formOf({ headers, body }: Seen): Promise<[string, string | File][]> {
  const type = headers['content-type'] ?? ''
  return [...(await new Response(new Uint8Array(body), { headers: { 'content-type': type } }).formData()).entries()]
}

const image = (url: string): SubmitInput => ({ role: 'image', kind: 'url', url })

test('one URL goes as a string of a JSON body, with its length, our key and where to call back', async () => {
  const request = await wire({ params: { size: '1024x1536', user: 'ü"\n' } })
  expect(request).toMatchObject({ method: 'POST', path: '/v1/openai/images/edits' })
  expect(request.headers).toMatchObject({
    authorization: 'Bearer a-key',
    'content-type': 'application/json',
    'content-length': String(request.body.length),
  })
  expect(request.headers['transfer-encoding']).toBeUndefined()
  expect(JSON.parse(request.body.toString())).toEqual({
    model: 'gpt-image-2',
    prompt: 'dark mode',
    size: '1024x1536',
    user: 'ü"\n',
    callback_url: 'https://us.example.com/callbacks/1.token',
    trace_id: 'trace-1',
    image: 'https://example.com/a.png',
  })
})

test('several URLs go as an array, in their order, and a mask beside them', async () => {
  const inputs: SubmitInput[] = [image('https://example.com/a.png'), image('https://example.com/b.png')]
  const request = await wire({ inputs: [...inputs, { role: 'mask', kind: 'url', url: 'https://example.com/m.png' }] })
  expect(JSON.parse(request.body.toString())).toMatchObject({
    image: ['https://example.com/a.png', 'https://example.com/b.png'],
    mask: 'https://example.com/m.png',
  })
})

test('without an address for callbacks a submit says async, in JSON and in a form, and names no callback_url', async () => {
  const asJson = JSON.parse((await wire({ callbackUrl: null })).body.toString())
  expect(asJson).toMatchObject({ async: true })
  expect(asJson).not.toHaveProperty('callback_url')
  const form = await formOf(await wire({ callbackUrl: null, body: 'multipart', model: 'nano-banana' }))
  expect(form).toContainEqual(['async', 'true'])
  expect(form.map(([name]) => name)).not.toContain('callback_url')
})

test('n goes where the order has one, and nowhere else', async () => {
  expect(JSON.parse((await wire({})).body.toString())).not.toHaveProperty('n')
  expect(await formOf(await wire({ body: 'multipart', model: 'dall-e-2', n: 3 }))).toContainEqual(['n', '3'])
})

test('a field that is called __proto__ is a field like any other', async () => {
  const params = JSON.parse('{"__proto__": {"a": 1}}') as Record<string, unknown>
  expect((await wire({ params })).body.toString()).toContain('"__proto__":{"a":1}')
})

test('files go as a form, whole, each with its type and name, and the length is right to the byte', async () => {
  const from = await echo()
  const [a, b, mask] = [randomBytes(700_000), randomBytes(1), await picture()]
  const inputs = [
    await from.connected.store(a),
    await from.connected.store(b, 'image', 'image/webp'),
    await from.connected.store(mask, 'mask', 'image/jpeg'),
  ]
  const request = await wire({ body: 'multipart', inputs }, from)
  expect(request.headers['content-length']).toBe(String(request.body.length))
  expect(request.headers['transfer-encoding']).toBeUndefined()
  const form = await formOf(request)
  const files = form.flatMap(([name, value]) => (value instanceof File ? [{ name, value }] : []))
  expect(files.map(({ name, value }) => [name, value.name, value.type])).toEqual([
    ['image[]', 'image-0.png', 'image/png'],
    ['image[]', 'image-1.webp', 'image/webp'],
    ['mask', 'mask-2.jpg', 'image/jpeg'],
  ])
  const hashes = await Promise.all(files.map(async ({ value }) => sha256(await value.bytes())))
  expect(hashes).toEqual([a, b, mask].map(sha256))
  expect(form.filter(([, value]) => typeof value === 'string')).toEqual([
    ['model', 'gpt-image-2'],
    ['prompt', 'dark mode'],
    ['callback_url', 'https://us.example.com/callbacks/1.token'],
    ['trace_id', 'trace-1'],
  ])
})

test('one file alone is called image', async () => {
  const from = await echo()
  const form = await formOf(await wire({ body: 'multipart', inputs: [await from.connected.store(await picture())] }, from))
  expect(form.map(([name]) => name)).toContain('image')
})

test('nano-banana gets a URL as a text field of a form', async () => {
  const form = await formOf(await wire({ body: 'multipart', model: 'nano-banana' }))
  expect(form).toContainEqual(['image', 'https://example.com/a.png'])
})

test('what stands in a form’s fields stays in them, whatever their names and texts hold', async () => {
  const prompt = 'a "quoted"\r\n--darkroom\r\nContent-Disposition: form-data; name="model"\r\n\r\nother ✂️'
  const params = { 'a"b\r\nX-Evil: 1': 'x', ünï: true, style: { tone: 'dark' }, tags: ['a', 'b'], level: 0.5 }
  const request = await wire({ body: 'multipart', prompt, params })
  const form = await formOf(request)
  expect(form).toContainEqual(['prompt', prompt])
  expect(form.filter(([name]) => name === 'model')).toHaveLength(1)
  expect(form).toContainEqual(['ünï', 'true'])
  expect(form).toContainEqual(['style', '{"tone":"dark"}'])
  expect(form).toContainEqual(['level', '0.5'])
  expect(form.filter(([name]) => name === 'tags')).toEqual([
    ['tags', 'a'],
    ['tags', 'b'],
  ])
  expect(request.body.toString()).toContain('name="a%22b%0D%0AX-Evil: 1"')
})

const all: readonly { model: string; body: SubmitOrder['body']; via: 'url' | 'file'; images: number }[] = [
  { model: 'gpt-image-2', body: 'json', via: 'url', images: 16 },
  { model: 'gpt-image-2', body: 'multipart', via: 'file', images: 2 },
  { model: 'gpt-image-1', body: 'multipart', via: 'file', images: 2 },
  { model: 'gpt-image-1.5', body: 'multipart', via: 'file', images: 1 },
  { model: 'dall-e-2', body: 'multipart', via: 'file', images: 1 },
  { model: 'nano-banana', body: 'multipart', via: 'url', images: 1 },
  { model: 'nano-banana-2', body: 'multipart', via: 'file', images: 3 },
  { model: 'nano-banana-pro', body: 'multipart', via: 'file', images: 1 },
  { model: 'some-other', body: 'json', via: 'url', images: 1 },
]
test('every model gets its pictures in a way that the sandbox takes', async () => {
  const sandbox = await startSandbox({ port: 0, delayMs: 0, faults: ['lost'] })
  onTestFinished(() => sandbox.close())
  const connected = await connect(sandbox.baseUrl)
  const bytes = await picture()
  for (const { model, body, via, images } of all) {
    const one = via === 'file' ? await connected.store(bytes) : image(`${sandbox.url}/none.png`)
    const outcome = await submit(connected, { model, body, inputs: Array.from({ length: images }, () => one) })
    expect([model, outcome.kind]).toEqual([model, 'accepted'])
    const sent = sandbox.submits.at(-1)
    expect(sent).toMatchObject({
      model,
      prompt: 'dark mode',
      callbackUrl: 'https://us.example.com/callbacks/1.token',
      async: false,
    })
    expect(sent?.images).toHaveLength(images)
    for (const shown of sent?.images ?? []) {
      expect(shown).toMatchObject(via === 'file' ? { bytes: bytes.length, sha256: sha256(bytes) } : { kind: 'url' })
    }
  }
})

test('a file for a JSON body is a mistake of ours that sends nothing', async () => {
  const { connected, seen } = await echo()
  const file = await connected.store(await picture())
  await expect(submit(connected, { inputs: [file] })).rejects.toThrow('planned wrongly')
  expect(seen).toEqual([])
})
