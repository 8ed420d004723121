import { describe, expect, test } from 'vitest'
import { cut } from './json-text.ts'
import { hello, newBench, only } from './lifting.ts'

function headerOf(length: number): string {
  return `data:${'x'.repeat(length - 12)};base64`
}

describe('a data URL', () => {
  test.for([
    'data:image/png;base64,',
    'DATA:IMAGE/PNG;BASE64,',
    'data:;base64,',
    'data:image\\/png;base64,',
    '\\u0064ata:;base64\\u002c',
    'data:a;name=ä;base64,',
  ])('that begins with %s is lifted', async header => {
    const bench = await newBench()
    for (const key of ['image', 'either']) {
      const body = Buffer.from(`{"${key}":"${header}aGVsbG8="}`)
      for (const chunks of [[body], cut(body, 0)]) {
        expect(await bench.read(await bench.lift(chunks))).toEqual(only(key, hello))
        await bench.disk.removeJob('job')
      }
    }
  })

  test.for([
    'https://example.com/a.png?b=data:;base64,AAAA',
    'data',
    'data:',
    'data:,AAAA',
    'data:text/plain,AAAA',
    'data:;base64',
    ' data:;base64,AAAA',
    'xdata:;base64,AAAA',
    'AAAA',
    'not base64!',
    `data:${'x'.repeat(300)};base64,AAAA`,
  ])('is not %s: it stays as it is', async text => {
    const bench = await newBench()
    const lifted = await bench.lift(cut(Buffer.from(JSON.stringify({ image: text, after: 'text' })), 0))
    expect(lifted.value).toEqual({ image: text, after: 'text' })
    expect(lifted.files).toEqual([])
  })

  test('that begins and has a quotation mark in it goes on behind that', async () => {
    const bench = await newBench()
    const value = { image: 'data:","b64_json":"!', either: 'data:"' }
    expect((await bench.lift(cut(Buffer.from(JSON.stringify(value)), 0))).value).toEqual(value)
    expect((await bench.lift(JSON.stringify(value))).value).toEqual(value)
  })

  test('may have a header of 256 characters and no more', async () => {
    const bench = await newBench()
    expect((await bench.lift(`{"image":"${headerOf(256)},AAAA"}`)).files).toHaveLength(1)
    expect((await bench.lift(`{"image":"${headerOf(257)},AAAA"}`)).files).toHaveLength(0)
  })

  test('whose payload is not base64 is malformed', async () => {
    const bench = await newBench()
    expect((await bench.liftError('{"image":"data:;base64,AAA.AAAA"}')).kind).toBe('malformed')
    expect((await bench.liftError('{"image":"data:;base64,AAAA,AAAA"}')).kind).toBe('malformed')
  })

  test('whose header no JSON string may hold is malformed', async () => {
    const bench = await newBench()
    for (const header of ['data:\t;base64,', 'da\nta:;base64,', 'data:\\x;base64,', 'data:\\u12;base64,']) {
      expect((await bench.liftError(`{"image":"${header}AAAA"}`)).kind).toBe('malformed')
    }
  })

  test('or base64, where both may stand, is told by its beginning', async () => {
    const bench = await newBench()
    const texts = {
      aGVsbG8: 'hello',
      data: 'u\xabZ',
      dataa: null,
      dat: 'u\xab',
      d: null,
      '\\u0064ata': 'u\xabZ',
      'DATA:;base64,aGVsbG8': 'hello',
    }
    for (const [text, bytes] of Object.entries(texts)) {
      const chunks = cut(Buffer.from(`{"either":"${text}"}`), 0)
      if (bytes === null) expect((await bench.liftError(chunks)).kind).toBe('malformed')
      else
        expect(await bench.read(await bench.lift(chunks))).toEqual(
          only('either', { picture: Buffer.from(bytes, 'latin1').toString('hex') }),
        )
      await bench.disk.removeJob('job')
    }
    expect((await bench.lift('{"either":"data:text/plain,x"}')).value).toEqual({ either: 'data:text/plain,x' })
  })
})
