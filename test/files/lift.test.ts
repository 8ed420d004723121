import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { FileSink } from '../../src/domain/ports.ts'
import { everythingIn } from './folder.ts'
import { chanceOf, cut } from './json-text.ts'
import { hello, newBench, only } from './lifting.ts'

/** Bytes whose base64 has all of its letters in it. */
const allBytes = Buffer.from(Array.from({ length: 3000 }, (_, index) => (index * 7 + (index >> 8)) & 255))

describe('a picture', () => {
  test('leaves a reference in its place, and everything else is as JSON.parse sees it', async () => {
    const bench = await newBench()
    const lifted = await bench.lift('{"success":true,"data":{"data":[{"b64_json":"aGVsbG8=","n":1.5e3}]},"none":null}')
    const reference = /^picture:[0-9a-f]{32}:0$/
    expect(lifted.value).toEqual({
      success: true,
      data: { data: [{ b64_json: expect.stringMatching(reference), n: 1500 }] },
      none: null,
    })
    expect(lifted.files).toMatchObject([{ sizeBytes: 5, sha256: createHash('sha256').update('hello').digest('hex') }])
    expect(await bench.bytesOf(lifted.files[0])).toEqual(Buffer.from('hello'))
  })

  test('is found by its reference alone', async () => {
    const bench = await newBench()
    const lifted = await bench.lift('["picture:0:0", {"b64_json":"aGVsbG8="}]')
    const reference = /picture:[0-9a-f]{32}:0/.exec(JSON.stringify(lifted.value))?.[0]
    expect(lifted.file(reference)).toBe(lifted.files[0])
    for (const other of ['picture:0:0', '', null, undefined, 0, {}, [reference], `${reference} `])
      expect(lifted.file(other)).toBeUndefined()
  })

  test('has a reference that nobody can know beforehand', async () => {
    const bench = await newBench()
    const [one, other] = [await bench.lift('{"b64_json":"aGVsbG8="}'), await bench.lift('{"b64_json":"aGVsbG8="}')]
    expect(JSON.stringify(one.value)).not.toBe(JSON.stringify(other.value))
  })

  test('keeps its place among others', async () => {
    const bench = await newBench()
    const lifted = await bench.lift('[{"b64_json":"MQ=="},{"b64_json":"Mg=="},{"x":[{"b64_json":"Mw=="}]}]')
    expect(await Promise.all(lifted.files.map(async file => String(await bench.bytesOf(file))))).toEqual(['1', '2', '3'])
    expect(await bench.read(lifted)).toEqual({
      list: [
        only('b64_json', { picture: '31' }),
        only('b64_json', { picture: '32' }),
        only('x', { list: [only('b64_json', { picture: '33' })] }),
      ],
    })
  })

  test('may be the whole body', async () => {
    const bench = await newBench()
    expect(await bench.read(await bench.lift(' "aGVsbG8=" ', { select: () => 'base64' }))).toEqual(hello)
  })

  test.for([
    ['with padding', 'aGVsbG8='],
    ['without padding', 'aGVsbG8'],
    ['with spaces', ' aG Vs bG8 = '],
    ['with escaped line ends', 'aGVs\\nbG8=\\r\\n\\t'],
    ['with escaped letters', '\\u0061GVsbG\\u0038\\u003d'],
    ['with padding between spaces', 'aA = \\n ='],
  ])('%s is decoded', async ([, text]) => {
    const bench = await newBench()
    for (const chunks of [[Buffer.from(`{"b64_json":"${text}"}`)], cut(Buffer.from(`{"b64_json":"${text}"}`), 3)]) {
      const lifted = await bench.lift(chunks)
      expect('hello'.startsWith(String(await bench.bytesOf(lifted.files[0])))).toBe(true)
      expect(lifted.files[0]?.sizeBytes).toBeGreaterThan(0)
    }
  })

  test('may use the standard alphabet with escaped slashes, or the URL-safe one', async () => {
    const bench = await newBench()
    const texts = [
      allBytes.toString('base64'),
      allBytes.toString('base64').replaceAll('/', '\\/'),
      allBytes.toString('base64').replaceAll('+', '\\u002b').replaceAll('/', '\\u002F'),
      allBytes.toString('base64url'),
    ]
    for (const text of texts) {
      const lifted = await bench.lift(`{"b64_json":"${text}"}`)
      expect(allBytes.equals(await bench.bytesOf(lifted.files[0]))).toBe(true)
    }
  })

  test.for([
    'A',
    'AAAAA',
    'AA=',
    'AAA==',
    'AAAA=',
    'AAAA====',
    '=',
    'AA==AA==',
    'AA==A',
    'A=A=',
    'A.AA',
    'AAAä',
    'AAA\\u0141',
    '\\u00e4AAA',
    'AA\\bAA',
    'AA\\\\A',
    'AA\\"A',
    'AA\\xAA',
    'AA\\u00zzA',
    'AA\tAA',
    'AA\nAA',
    'AA\u0000AA',
    'AA\u001fAA',
    'data:;base64,AAAA',
    'https://example.com/a.png',
  ])('whose text is %j is malformed', async text => {
    const bench = await newBench()
    const padded = [`{"b64_json":"${text}"}`, `{"b64_json":"${'AAAA'.repeat(50)}${text}"}`]
    for (const body of padded) {
      expect((await bench.liftError(body)).kind).toBe('malformed')
      expect((await bench.liftError(cut(Buffer.from(body), 1))).kind).toBe('malformed')
    }
  })

  test('that goes on after its padding is malformed, also in a chunk of its own', async () => {
    const bench = await newBench()
    const chunks = ['{"b64_json":"AA==', 'AAAAAAAA', '"}'].map(text => Buffer.from(text))
    expect((await bench.liftError(chunks)).kind).toBe('malformed')
  })

  test('that ends within an escape is malformed, though what follows might pass for a body’s end', async () => {
    const bench = await newBench()
    for (const text of ['AAAA\\', 'AAAA\\u', 'AAAA\\u004']) {
      expect((await bench.liftError(`{"b64_json":"${text}"}`)).kind).toBe('malformed')
      expect((await bench.liftError(cut(Buffer.from(`{"b64_json":"${text}"}`), 0))).kind).toBe('malformed')
    }
  })

  test('with any single byte that base64 does not know is malformed, wherever it stands', async () => {
    const bench = await newBench()
    for (let byte = 0; byte < 256; byte += 1) {
      // The last three would be an escape, a string's end, and white space.
      if (/[\w+/ "\\-]/.test(String.fromCharCode(byte))) continue
      for (const at of [0, 50, 97]) {
        const text = Buffer.from(`{"b64_json":"${'A'.repeat(100)}"}`)
        text[13 + at] = byte
        expect((await bench.liftError(text)).kind).toBe('malformed')
      }
    }
  })

  test('without any bytes is no file: the string is empty', async () => {
    const bench = await newBench()
    const lifted = await bench.lift(
      '[{"b64_json":""},{"b64_json":"  \\n"},{"image":"data:image/png;base64,"},{"image":""},{"either":""}]',
    )
    expect(lifted.value).toEqual([{ b64_json: '' }, { b64_json: '' }, { image: '' }, { image: '' }, { either: '' }])
    expect(lifted.files).toEqual([])
    expect(await everythingIn(bench.root)).toEqual([])
  })

  test('of several megabytes is whole, whatever the chunks', async () => {
    const bench = await newBench()
    const bytes = Buffer.concat(Array.from({ length: 1000 }, (_, index) => Buffer.from(allBytes).fill(index & 255, 0, 1)))
    const body = Buffer.from(`{"b64_json":"${bytes.toString('base64')}","after":1}`)
    const chance = chanceOf(5)
    const pieces: Buffer[] = []
    for (let at = 0; at < body.length; at += pieces.at(-1)?.length ?? 0) pieces.push(body.subarray(at, at + 1 + chance(200_000)))
    for (const chunks of [[body], pieces]) {
      const lifted = await bench.lift(chunks)
      expect(bytes.equals(await bench.bytesOf(lifted.files[0]))).toBe(true)
      expect(lifted.value).toEqual({ b64_json: expect.any(String), after: 1 })
      expect(lifted.bodyBytes).toBe(body.length)
    }
  })
})

function refuseToCreate(): FileSink {
  throw new Error('not to be called')
}

describe('a body', () => {
  test('may begin with a byte order mark, but not with two', async () => {
    const bench = await newBench()
    expect((await bench.lift('\ufeff{"a":1}')).value).toEqual({ a: 1 })
    expect((await bench.lift(cut(Buffer.from('\ufeff{"b64_json":"aGVsbG8="}'), 0))).files).toHaveLength(1)
    await bench.disk.removeJob('job')
    expect((await bench.liftError('\ufeff\ufeff{"a":1}')).kind).toBe('malformed')
  })

  test('with bytes that are no UTF-8 has replacement characters in their place', async () => {
    const bench = await newBench()
    const body = Buffer.from('{"a":"x\xe4y\xf0\x9f","\xff":"\xc3"}', 'latin1')
    expect((await bench.lift(cut(body, 0))).value).toEqual({ a: 'x\ufffdy\ufffd', '\ufffd': '\ufffd' })
  })

  test('may be cut within a character', async () => {
    const bench = await newBench()
    const value = { 'ключ🔑': 'é€😀' }
    expect((await bench.lift(cut(Buffer.from(JSON.stringify(value)), 0))).value).toEqual(value)
  })

  test('may come in chunks that are used again for the next', async () => {
    const bench = await newBench()
    const body = Buffer.from('{"text":"some text","b64_json":"aGVsbG8=","image":"data:;base64,aGVsbG8=","either":"aGVsbG8="}')
    const shared = new Uint8Array(5)
    async function* chunks(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < body.length; at += shared.length) {
        const piece = body.subarray(at, at + shared.length)
        shared.set(piece)
        yield shared.subarray(0, piece.length)
        shared.fill(0)
      }
    }
    const lifted = await bench.lift(chunks())
    expect(await bench.read(lifted)).toEqual({
      object: [
        ['text', 'some text'],
        ['b64_json', hello],
        ['image', hello],
        ['either', hello],
      ],
    })
  })

  test('waits for a sink that is slow', async () => {
    const bench = await newBench()
    const events: string[] = []
    const create = (): FileSink => {
      const sink = bench.disk.create('job', 'out')
      return {
        write: async chunk => {
          events.push('begins')
          await sink.write(chunk)
          events.push('ends')
        },
        finish: () => sink.finish(),
        discard: () => sink.discard(),
      }
    }
    await bench.lift(`{"b64_json":"${allBytes.toString('base64').repeat(100)}"}`, { create })
    expect(events.length).toBeGreaterThan(4)
    expect(events.join()).toBe(Array.from({ length: events.length / 2 }, () => 'begins,ends').join())
  })

  test('with no picture opens no file', async () => {
    const bench = await newBench()
    expect((await bench.lift('{"url":"https://example.com/"}', { create: refuseToCreate })).files).toEqual([])
  })
})
