import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { formOf, openReceiver, openSandbox, plain, postJson, submitFile, submitForm, submitJson } from './setting.ts'

const uuid = expect.stringMatching(/^[0-9a-f-]{36}$/)

function refusalShape(code: string, message: unknown) {
  return { success: false, error: { code, message }, trace_id: uuid }
}

describe('what a submit may be', () => {
  test('gpt-image-2 takes JSON with one URL or an array of them', async () => {
    const [sandbox, pictures] = [
      await openSandbox(),
      await openReceiver((_, response) => void plain(4, 4).then(png => response.end(png))),
    ]
    for (const image of [pictures.url, [pictures.url, pictures.url]]) {
      const response = await submitJson(sandbox, { image, async: true })
      expect(response.status).toBe(200)
      expect(await response.json()).toEqual({ task_id: uuid })
    }
    expect(sandbox.submits.map(submit => submit.images.length)).toEqual([1, 2])
    expect(sandbox.submits[1]).toMatchObject({
      images: [{ kind: 'url', url: pictures.url }, {}],
      async: true,
      outcome: 'accepted',
    })
    await sandbox.settled()
    expect(pictures.arrivals).toHaveLength(3)
  })

  test.each([
    'gpt-image-2',
    'gpt-image-1',
    'gpt-image-1.5',
    'dall-e-2',
    'nano-banana',
    'nano-banana-2',
    'nano-banana-pro',
    'someone/new',
  ])('%s takes a file in a form', async model => {
    const sandbox = await openSandbox()
    expect((await submitFile(sandbox, { model, async: 'true' })).status).toBe(200)
  })

  test('a submit is kept as it was sent, files with their size and hash', async () => {
    const sandbox = await openSandbox()
    const [image, mask] = [await plain(30, 20), await plain(30, 20, { r: 0, g: 0, b: 0, alpha: 0 })]
    await submitForm(sandbox, [
      ['model', 'gpt-image-1'],
      ['prompt', 'mirror it'],
      ['image[]', image],
      ['image[]', image],
      ['mask', mask],
      ['quality', 'high'],
      ['anything', 'else'],
      ['callback_url', 'http://127.0.0.1:1/nobody'],
    ])
    const sha256 = createHash('sha256').update(image).digest('hex')
    expect(sandbox.submits).toEqual([
      {
        at: expect.any(Number),
        taskId: uuid,
        model: 'gpt-image-1',
        prompt: 'mirror it',
        traceId: null,
        params: { quality: 'high', anything: 'else' },
        images: [1, 2].map(() => ({
          kind: 'file',
          bytes: image.length,
          sha256,
          filename: 'image[].png',
          contentType: 'image/png',
        })),
        mask: expect.objectContaining({ kind: 'file', bytes: mask.length }),
        callbackUrl: 'http://127.0.0.1:1/nobody',
        async: false,
        outcome: 'accepted',
      },
    ])
  })

  test('nano-banana takes a URL as a text field of a form', async () => {
    const [sandbox, pictures] = [
      await openSandbox(),
      await openReceiver((_, response) => void plain(4, 4).then(png => response.end(png))),
    ]
    const response = await submitForm(sandbox, [
      ['model', 'nano-banana'],
      ['prompt', 'dark'],
      ['image', pictures.url],
    ])
    expect(response.status).toBe(200)
    expect(sandbox.submits[0]?.images).toEqual([{ kind: 'url', url: pictures.url }])
  })

  test.each(['/v1/openai/images/edits', '/v1/v1/images/edits', '/v1/images/edits'])('%s is a path for edits', async path => {
    const sandbox = await openSandbox()
    const body = formOf([
      ['model', 'nano-banana'],
      ['prompt', 'dark'],
      ['image', await plain(4, 4)],
    ])
    expect((await fetch(`${sandbox.url}${path}`, { method: 'POST', body })).status).toBe(200)
  })

  test('two submits are two charges, also of the same', async () => {
    const sandbox = await openSandbox()
    await submitFile(sandbox, { async: 'true' })
    await submitFile(sandbox, { async: 'true' })
    expect(sandbox.charges).toBe(2)
    expect(new Set(sandbox.submits.map(submit => submit.taskId)).size).toBe(2)
  })

  test.each(['', 'auto', '1024x1024', '1254x1254', '1672x941', '941x1672', '3840x2160', '2880x2880', '16x16', '3840x16'])(
    'gpt-image-2 takes the size "%s"',
    async size => {
      const sandbox = await openSandbox()
      expect((await submitFile(sandbox, { size, async: 'true', prompt: 'fault:empty' })).status).toBe(200)
    },
  )
})

describe('what is refused', () => {
  test.each([
    ['1025x1024', /multiples of 16/],
    ['3856x16', /3840/],
    ['3840x3840', /pixels/],
    ['0x16', /WIDTHxHEIGHT/],
    ['1024', /WIDTHxHEIGHT/],
    ['1024X1024', /WIDTHxHEIGHT/],
    ['large', /WIDTHxHEIGHT/],
    ['1254x941', /multiples of 16/],
  ])('gpt-image-2 refuses the size %s', async (size, message) => {
    const sandbox = await openSandbox()
    const response = await submitFile(sandbox, { size })
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual(refusalShape('bad_request', expect.stringMatching(message)))
    expect(sandbox.submits).toMatchObject([{ taskId: null, outcome: 'bad_request', model: 'gpt-image-2' }])
    expect(sandbox.charges).toBe(0)
  })

  test.each([
    ['no prompt', { prompt: undefined }, /prompt/],
    ['a prompt of spaces', { prompt: '  ' }, /prompt/],
    ['a prompt that is no text', { prompt: { a: 1 } }, /prompt/],
    ['no model', { model: null }, /model/],
    ['no image', { image: [] }, /image is required/],
    ['an image that is no text', { image: [7] }, /image must be/],
    ['17 images', { image: Array(17).fill('http://127.0.0.1:1/') }, /16 images at most/],
    ['a size that is no text', { size: 1024 }, /size/],
    ['JSON for gpt-image-1', { model: 'gpt-image-1' }, /not JSON/],
    ['JSON for dall-e-2', { model: 'dall-e-2' }, /not JSON/],
    ['JSON for nano-banana', { model: 'nano-banana' }, /not JSON/],
  ])('%s', async (_, body, message) => {
    const sandbox = await openSandbox()
    const response = await submitJson(sandbox, { image: 'http://127.0.0.1:1/', ...body })
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual(refusalShape('bad_request', expect.stringMatching(message)))
    expect(sandbox.submits.map(submit => submit.outcome)).toEqual(['bad_request'])
  })

  test.each(['gpt-image-2', 'gpt-image-1', 'dall-e-2'])('a URL in a form for %s', async model => {
    const sandbox = await openSandbox()
    expect((await submitFile(sandbox, { model, image: 'http://127.0.0.1:1/' })).status).toBe(400)
  })

  test('17 files', async () => {
    const [sandbox, image] = [await openSandbox(), await plain(2, 2)]
    const images = Array.from({ length: 17 }, () => ['image[]', image] as const)
    const response = await submitForm(sandbox, [['model', 'gpt-image-1'], ['prompt', 'dark'], ...images])
    expect(await response.json()).toEqual(refusalShape('bad_request', expect.stringContaining('16 images')))
  })

  test('a second image for dall-e-2', async () => {
    const [sandbox, image] = [await openSandbox(), await plain(2, 2)]
    const fields = [
      ['model', 'dall-e-2'] as const,
      ['prompt', 'dark'] as const,
      ['image', image] as const,
      ['image', image] as const,
    ]
    expect((await submitForm(sandbox, fields)).status).toBe(400)
  })

  test.each(['0', '11', '-1', '1.5', 'two'])('n %s for dall-e-2, though not for others', async n => {
    const sandbox = await openSandbox()
    expect((await submitFile(sandbox, { model: 'dall-e-2', n })).status).toBe(400)
    expect((await submitFile(sandbox, { model: 'gpt-image-2', n })).status).toBe(200)
  })

  test('a path that there is not', async () => {
    const sandbox = await openSandbox()
    for (const [method, path] of [
      ['POST', '/v1/images/generations'],
      ['GET', '/v1/openai/images/edits'],
      ['GET', '/files/none.png'],
      ['GET', '/files/..%2f..%2fetc%2fpasswd'],
    ]) {
      const response = await fetch(`${sandbox.url}${path}`, { method: method ?? '' })
      expect(response.status).toBe(404)
      expect(await response.json()).toEqual(refusalShape('no_api', expect.any(String)))
    }
  })

  test('a key that is not the one that was set, for tasks too', async () => {
    const sandbox = await openSandbox({ apiKey: 'right' })
    const edits = `${sandbox.baseUrl}/openai/images/edits`
    const tasks = `${sandbox.baseUrl}/openai/tasks`
    for (const url of [edits, tasks]) {
      const wrong = await postJson(url, {}, { authorization: 'Bearer wrong' })
      expect(wrong.status).toBe(401)
      expect(await wrong.json()).toEqual(refusalShape('invalid_token', expect.any(String)))
      const none = await postJson(url, {})
      expect(none.status).toBe(400)
      expect(await none.json()).toEqual(refusalShape('no_token', expect.any(String)))
    }
    const right = await postJson(tasks, { action: 'retrieve', id: 'x' }, { authorization: 'Bearer right' })
    expect(right.status).toBe(200)
    expect(sandbox.submits.map(submit => submit.outcome)).toEqual(['invalid_token', 'no_token'])
  })
})

describe('hostile bodies', () => {
  test.each([
    ['broken JSON', 'application/json', '{"model":'],
    ['no body', 'application/json', ''],
    ['an array', 'application/json', '[]'],
    ['a prototype', 'application/json', '{"__proto__":{"prompt":"x"}}'],
    [
      'deep nesting',
      'application/json',
      `{"model":"m","prompt":"p","image":"http://127.0.0.1:1/","x":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
    ],
    ['another type', 'text/plain', 'hello'],
    ['no boundary', 'multipart/form-data', 'hello'],
    [
      'a form that is cut off',
      'multipart/form-data; boundary=b',
      '--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\nabc',
    ],
    [
      'a prototype in a form',
      'multipart/form-data; boundary=b',
      '--b\r\nContent-Disposition: form-data; name="__proto__"\r\n\r\nx\r\n--b--\r\n',
    ],
    ['too much', 'application/json', JSON.stringify({ prompt: 'x'.repeat(5_000_000) })],
  ])('%s is a 400 in the shape of the provider', async (_, type, body) => {
    const sandbox = await openSandbox()
    const response = await fetch(`${sandbox.baseUrl}/openai/images/edits`, {
      method: 'POST',
      headers: { 'content-type': type },
      body,
    })
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual(refusalShape('bad_request', expect.any(String)))
    expect(sandbox.charges).toBe(0)
    expect((await fetch(sandbox.url)).status).toBe(200)
  })

  test.each([
    ['65 files', 65, 8, /64 files at most/],
    ['a file of more than 50 MB', 1, 50 * 2 ** 20 + 1, /52428800 bytes at most/],
  ])('a form with %s is a 400', async (_, files, sizeBytes, message) => {
    const sandbox = await openSandbox()
    const form = new FormData()
    form.set('model', 'gpt-image-2')
    form.set('prompt', 'dark')
    for (let count = 0; count < files; count += 1) form.append('image', new Blob([Buffer.alloc(sizeBytes)]), `${count}.png`)
    const response = await fetch(`${sandbox.baseUrl}/openai/images/edits`, { method: 'POST', body: form })
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual(refusalShape('bad_request', expect.stringMatching(message)))
  })

  test('pictures of a form stay in its order, files and URLs, large and small', async () => {
    const sandbox = await openSandbox()
    const form = new FormData()
    form.set('model', 'gpt-image-2')
    form.set('prompt', 'dark')
    form.append('image[]', new Blob([Buffer.alloc(5 * 2 ** 20)]), 'large.png')
    form.append('image[]', 'http://127.0.0.1:1/')
    form.append('image[]', new Blob(['small']), 'small.png')
    await fetch(`${sandbox.baseUrl}/openai/images/edits`, { method: 'POST', body: form })
    expect(sandbox.submits[0]?.images.map(image => image.filename ?? image.url)).toEqual([
      'large.png',
      'http://127.0.0.1:1/',
      'small.png',
    ])
  })

  test.each([
    ['cannot be decoded', '/files/%zz'],
    ['is far too long', `/files/${'x'.repeat(2000)}`],
  ])('a path that %s is refused in the shape of the provider', async (_, path) => {
    const sandbox = await openSandbox()
    const response = await fetch(`${sandbox.url}${path}`)
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual(refusalShape('bad_request', expect.any(String)))
  })
})
