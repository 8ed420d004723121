import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { contentTypeOf, isPicture, typeHeadBytes, whatItIs } from '../../src/domain/picture.ts'

const file = (bytes: Uint8Array) => ({ contentType: contentTypeOf(bytes), sizeBytes: bytes.length })
const utf16 = (text: string, isLittle: boolean): Buffer => {
  const bytes = Buffer.from(text, 'utf16le')
  return isLittle ? bytes : bytes.swap16()
}

const drawing = sharp({ create: { width: 37, height: 23, channels: 3, background: '#c30' } })

describe('a file', () => {
  test.each(['png', 'jpeg', 'webp', 'gif', 'avif'] as const)('of the kind %s is known by its bytes', async format => {
    const bytes = await drawing.clone().toFormat(format).toBuffer()
    expect(contentTypeOf(bytes)).toBe(`image/${format}`)
    expect(isPicture(file(bytes))).toBe(true)
  })

  test('whose major brand is another is known as AVIF by a compatible one', async () => {
    const bytes = await drawing.clone().avif().toBuffer()
    bytes.write('mif1', 8)
    expect(contentTypeOf(bytes)).toBe('image/avif')
  })

  test.each([
    ['a page', Buffer.from('<!doctype html><html><body>Not here (yet)</body></html>')],
    ['a page with a mark', Buffer.from('\ufeff<html>nö</html>')],
    ['a page in GBK', Buffer.concat([Buffer.from('\n <html><h1>'), Buffer.from('d5d2b2bbb5bd'.repeat(40), 'hex')])],
    ['a text in Latin-1', Buffer.from('Zugriff verweigert für diese Datei, leider', 'latin1')],
    ['a page in UTF-16', utf16('\ufeff<html>网页</html>', true)],
    ['a page in UTF-16, the other way', utf16('\ufeff<html>网页</html>', false)],
    ['a page in UTF-16 without a mark', utf16('<html>网页</html>', true)],
    ['the same, the other way', utf16('<html>网页</html>', false)],
    ['XML', Buffer.from('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>')],
    ['SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')],
    ['JSON', Buffer.from('{"error":"no such key"}')],
    ['words', Buffer.from('not found\r\n')],
    ['Chinese', Buffer.from('找不到'.repeat(3_000))],
    ['a picture that is written out in text', Buffer.from('P3 2 2 255 0 0 0 255 255 255 0 0 0 9 9 9')],
  ])('that is %s is a text, and no picture', (_what, bytes) => {
    expect(contentTypeOf(bytes)).toBe('text/plain')
    expect(isPicture(file(bytes))).toBe(false)
    expect(whatItIs(file(bytes))).toBe('a text')
  })

  test.each([
    ['nothing', ''],
    ['null, as base64 sees it', 'null'],
    ['None', 'None'],
    ['true', 'true'],
    ['notfound', 'notfound'],
    ['AccessDenied', 'AccessDenied'],
  ])('that is %s is no picture', (_what, base64) => {
    expect(isPicture(file(Buffer.from(base64, 'base64')))).toBe(false)
  })

  test.each([
    ['HEIC', Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1')],
    ['TIFF', Buffer.from('II*\0\x08\0\0\0\x0b\0\0\x01\x03\0', 'latin1')],
    ['BMP', Buffer.concat([Buffer.from('BM\x36\x30\0\0\0\0\0\0', 'latin1'), Buffer.alloc(90, 0x41)])],
    ['a white PGM', Buffer.concat([Buffer.from('P5\n64 64\n255\n'), Buffer.alloc(4_096, 0xff)])],
    ['JPEG XL', Buffer.from('ff0afa7f01900806010078004b389d1be1c5b0', 'hex')],
    ['JPEG 2000', Buffer.from('\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 ', 'latin1')],
    ['gzip', gzipSync('a text')],
    ['anything', randomBytes(2_000)],
  ])('of a kind that is not known, such as %s, is no text, and may be a picture', (_what, bytes) => {
    expect(contentTypeOf(bytes)).toBe('application/octet-stream')
    expect(isPicture(file(bytes))).toBe(true)
  })

  test('that is text in UTF-8 is a text, wherever its beginning is cut', () => {
    const words = fc.string({ unit: 'binary', minLength: 1, maxLength: 2_000 }).map(text => text.replaceAll(/\p{Cc}/gu, ' '))
    fc.assert(
      fc.property(words, fc.nat(8), (text, cut) => {
        const bytes = Buffer.from(text.toWellFormed())
        expect(contentTypeOf(bytes.subarray(0, bytes.length - cut))).toBe('text/plain')
        expect(contentTypeOf(Buffer.concat([bytes, Buffer.alloc(typeHeadBytes, bytes)]))).toBe('text/plain')
      }),
    )
  })

  test('of random bytes, as long as a picture is, is never a text', () => {
    for (let count = 0; count < 2_000; count += 1) expect(contentTypeOf(randomBytes(512))).not.toBe('text/plain')
  })
})
