import sharp from 'sharp'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import {
  dig,
  look,
  openReceiver,
  openSandbox,
  pictureOf,
  pixelAt,
  plain,
  submitFile,
  submitJson,
  textAt,
  white,
} from './setting.ts'

/** Left half red, right half blue. */
async function twoHalves(): Promise<Buffer> {
  const left = { input: await plain(20, 20, { r: 255, g: 0, b: 0 }), left: 0, top: 0 }
  return sharp(await plain(40, 20, { r: 0, g: 0, b: 255 }))
    .composite([left])
    .png()
    .toBuffer()
}

describe('what the prompt decides', () => {
  test.each(['make it dark', 'INVERT the colours'])('"%s" turns white into black', async prompt => {
    const sandbox = await openSandbox()
    const picture = await pictureOf(await submitFile(sandbox, { prompt, size: '128x64' }))
    expect(await look(picture)).toEqual({ format: 'png', size: '128x64', means: [0, 0, 0] })
  })

  test('a dark edit leaves what is transparent transparent', async () => {
    const sandbox = await openSandbox()
    const image = await plain(10, 10, { ...white, alpha: 0.5 })
    const { means } = await look(await pictureOf(await submitFile(sandbox, { image })))
    expect(means).toEqual([0, 0, 0, 128])
  })

  test.each(['grey', 'gray', 'black and white'])('"%s" takes the colour out', async word => {
    const sandbox = await openSandbox()
    const image = await plain(20, 20, { r: 255, g: 0, b: 0 })
    const [r, g, b] = await pixelAt(await pictureOf(await submitFile(sandbox, { prompt: `make it ${word}`, image })), 5, 5)
    expect([g, b]).toEqual([r, r])
    expect(r).toBeLessThan(200)
  })

  test.each(['mirror it', 'flip it', 'rotate it'])('"%s" brings the right side to the left', async prompt => {
    const sandbox = await openSandbox()
    const picture = await pictureOf(await submitFile(sandbox, { prompt, image: await twoHalves() }))
    expect(await pixelAt(picture, 2, 2)).toEqual([0, 0, 255])
    expect(await pixelAt(picture, 37, 2)).toEqual([255, 0, 0])
  })

  test('"blur" mixes what lies side by side', async () => {
    const sandbox = await openSandbox()
    const picture = await pictureOf(await submitFile(sandbox, { prompt: 'blur it', image: await twoHalves() }))
    const [r, , b] = await pixelAt(picture, 20, 10)
    expect(r).toBeGreaterThan(60)
    expect(b).toBeGreaterThan(60)
  })

  test('any other prompt leaves a mark that can be seen', async () => {
    const sandbox = await openSandbox()
    const picture = await pictureOf(await submitFile(sandbox, { prompt: 'add a hat', image: await plain(100, 100) }))
    expect(await pixelAt(picture, 50, 50)).not.toEqual([255, 255, 255])
    expect(await pixelAt(picture, 5, 5)).toEqual([255, 255, 255])
  })
})

describe('size and format', () => {
  test.each(['1254x1254', '941x1672', '1536x1024'])('gpt-image-2 makes %s', async size => {
    const sandbox = await openSandbox()
    expect(await look(await pictureOf(await submitFile(sandbox, { size })))).toMatchObject({ size })
  })

  test.each(['gpt-image-1', 'dall-e-2'])('%s makes the size that was asked for', async model => {
    const sandbox = await openSandbox()
    expect(await look(await pictureOf(await submitFile(sandbox, { model, size: '100x50' })))).toMatchObject({ size: '100x50' })
  })

  test.each(['nano-banana', 'someone/new'])("%s ignores the size: the input's own", async model => {
    const sandbox = await openSandbox()
    expect(await look(await pictureOf(await submitFile(sandbox, { model, size: '100x50' })))).toMatchObject({ size: '60x40' })
  })

  test("auto and a size that is too big to make are the input's own, 1024 on the long side at most", async () => {
    const sandbox = await openSandbox()
    const image = await plain(2048, 1000)
    expect(await look(await pictureOf(await submitFile(sandbox, { image, size: 'auto' })))).toMatchObject({ size: '1024x500' })
    const huge = await submitFile(sandbox, { model: 'gpt-image-1', image, size: '99999x99999' })
    expect(await look(await pictureOf(huge))).toMatchObject({ size: '1024x500' })
  })

  test('a photograph that lies on its side is put upright', async () => {
    const sandbox = await openSandbox()
    const image = await sharp(await twoHalves())
      .withMetadata({ orientation: 6 })
      .png()
      .toBuffer()
    const picture = await pictureOf(await submitFile(sandbox, { image }))
    expect(await look(picture)).toMatchObject({ size: '20x40' })
    expect([await pixelAt(picture, 10, 2), await pixelAt(picture, 10, 37)]).toEqual([
      [0, 255, 255],
      [255, 255, 0],
    ])
  })

  test.each([
    ['gpt-image-2', 'webp', 'webp'],
    ['gpt-image-1', 'jpeg', 'jpeg'],
    ['gpt-image-2', 'png', 'png'],
    ['gpt-image-2', 'bmp', 'png'],
    ['nano-banana', 'png', 'jpeg'],
    ['dall-e-2', 'webp', 'png'],
  ])('%s asked for %s gives %s', async (model, outputFormat, format) => {
    const sandbox = await openSandbox()
    expect(await look(await pictureOf(await submitFile(sandbox, { model, output_format: outputFormat })))).toMatchObject({
      format,
    })
  })

  test('a picture is served with its type and its length', async () => {
    const sandbox = await openSandbox()
    const answer: unknown = await (await submitFile(sandbox, { output_format: 'webp' })).json()
    const url = textAt(answer, 'data', 0, 'url')
    expect(url.startsWith(`${sandbox.url}/files/`)).toBe(true)
    const response = await fetch(url)
    expect(response.headers.get('content-type')).toBe('image/webp')
    expect((await response.arrayBuffer()).byteLength).toBe(Number(response.headers.get('content-length')))
  })
})

describe('how many', () => {
  test('dall-e-2 makes n pictures, no two of them the same', async () => {
    const sandbox = await openSandbox()
    const answer: unknown = await (await submitFile(sandbox, { model: 'dall-e-2', n: '3', response_format: 'b64_json' })).json()
    const pictures = [0, 1, 2].map(index => textAt(answer, 'data', index, 'b64_json'))
    expect(new Set(pictures).size).toBe(3)
    expect(dig(answer, 'data', 3)).toBeUndefined()
  })

  test.each(['gpt-image-2', 'gpt-image-1', 'nano-banana', 'someone/new'])('%s makes one, whatever n is', async model => {
    const sandbox = await openSandbox()
    const answer: unknown = await (await submitFile(sandbox, { model, n: '3' })).json()
    expect(dig(answer, 'data')).toHaveLength(1)
  })
})

describe('the mask', () => {
  test('limits the edit to where it is transparent', async () => {
    const sandbox = await openSandbox()
    const hole = { input: await plain(30, 40, { ...white, alpha: 1 }), left: 0, top: 0 }
    const mask = await sharp(await plain(60, 40, { r: 0, g: 0, b: 0, alpha: 0 }))
      .composite([hole])
      .png()
      .toBuffer()
    const picture = await pictureOf(await submitFile(sandbox, { mask, size: '64x64' }))
    expect(await look(picture)).toMatchObject({ size: '64x64' })
    expect(await pixelAt(picture, 5, 30)).toEqual([255, 255, 255])
    expect(await pixelAt(picture, 60, 30)).toEqual([0, 0, 0])
  })

  test('is ignored by nano-banana', async () => {
    const sandbox = await openSandbox()
    const mask = await plain(60, 40)
    expect(await pixelAt(await pictureOf(await submitFile(sandbox, { model: 'nano-banana', mask })), 5, 5)).toEqual([0, 0, 0])
  })
})

describe('inputs', () => {
  test('a URL is fetched, over a redirect too', async () => {
    const png = await plain(50, 30)
    const pictures = await openReceiver(({ url }, response) => {
      if (url === '/here') response.writeHead(302, { location: '/there' }).end()
      else response.end(png)
    })
    const sandbox = await openSandbox()
    const picture = await pictureOf(await submitJson(sandbox, { image: `${pictures.url}/here` }))
    expect(await look(picture)).toMatchObject({ size: '50x30', means: [0, 0, 0] })
  })

  test.each([
    ['answers 404', () => 'URL/missing'],
    ['leads round in a circle', () => 'URL/circle'],
    ['is no picture', () => 'URL/text'],
    ['is an SVG', () => 'URL/svg'],
    ['refuses the connection', () => 'http://127.0.0.1:1/'],
    ['is no URL', () => 'not a url'],
    ['is a file', () => 'file:///etc/hostname'],
  ])('one that %s makes the result a failure', async (_, makeUrl) => {
    const pictures = await openReceiver(({ url }, response) => {
      if (url === '/circle') response.writeHead(302, { location: '/circle' }).end()
      else if (url === '/svg') response.end('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
      else response.writeHead(url === '/text' ? 200 : 404).end('hello')
    })
    const sandbox = await openSandbox()
    const response = await submitJson(sandbox, { image: makeUrl().replace('URL', pictures.url) })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({
      success: false,
      task_id: sandbox.submits[0]?.taskId,
      error: { code: 'bad_request' },
    })
    expect(sandbox.charges).toBe(1)
  })

  test('a URL is asked by nobody where the sandbox was given no way to fetch', async () => {
    const pictures = await openReceiver()
    const sandbox = await startSandbox({ port: 0, delayMs: 5, faults: [] })
    onTestFinished(() => sandbox.close())
    expect((await submitJson(sandbox, { image: `${pictures.url}/here` })).status).toBe(400)
    expect(pictures.arrivals).toEqual([])
  })

  test('a second image that cannot be read makes the result a failure too', async () => {
    const pictures = await openReceiver(
      ({ url }, response) => void plain(4, 4).then(png => response.end(url === '/good' ? png : 'x')),
    )
    const sandbox = await openSandbox()
    const response = await submitJson(sandbox, { image: [`${pictures.url}/good`, `${pictures.url}/bad`] })
    expect(response.status).toBe(400)
  })

  test('an empty file makes the result a failure', async () => {
    const sandbox = await openSandbox()
    expect((await submitFile(sandbox, { image: Buffer.alloc(0) })).status).toBe(400)
  })

  test('a picture with too many pixels is not decoded', async () => {
    const sandbox = await openSandbox()
    const image = await sharp({ create: { width: 12_000, height: 9000, channels: 3, background: white } })
      .png({ compressionLevel: 1 })
      .toBuffer()
    expect((await submitFile(sandbox, { image })).status).toBe(400)
  })
})
