import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { contentTypeOf, pictureHeadBytes, pixelSizeOf } from '../../src/files/picture.ts'

const drawing = sharp({ create: { width: 37, height: 23, channels: 3, background: '#c30' } })
const pictures = [
  ['image/png', () => drawing.clone().png().toBuffer()],
  ['image/jpeg', () => drawing.clone().jpeg().toBuffer()],
  ['image/jpeg', () => drawing.clone().jpeg({ progressive: true }).withMetadata({ orientation: 6 }).toBuffer()],
  ['image/webp', () => drawing.clone().webp().toBuffer()],
  ['image/webp', () => drawing.clone().webp({ lossless: true }).toBuffer()],
  ['image/gif', () => drawing.clone().gif().toBuffer()],
  ['image/avif', () => drawing.clone().avif().toBuffer()],
] as const

describe('a picture', () => {
  test.for(pictures)('of type %s is known by its bytes, and its size as it is stored', async ([contentType, make]) => {
    const bytes = await make()
    expect(contentTypeOf(bytes)).toBe(contentType)
    expect(pixelSizeOf(bytes)).toEqual({ width: 37, height: 23 })
  })

  test.for(pictures)('of type %s that is cut anywhere has its size or none', async ([, make]) => {
    const bytes = await make()
    for (let length = 0; length < bytes.length; length += 1) {
      const size = pixelSizeOf(bytes.subarray(0, length))
      if (size !== null) expect(size).toEqual({ width: 37, height: 23 })
    }
  })

  test('whose major brand is another is known as AVIF by a compatible one', async () => {
    const bytes = await drawing.clone().avif().toBuffer()
    bytes.write('mif1', 8)
    expect(contentTypeOf(bytes)).toBe('image/avif')
    expect(pixelSizeOf(bytes)).toEqual({ width: 37, height: 23 })
  })

  test('cut short within a larger memory takes no size from what lies behind it', () => {
    const memory = Buffer.alloc(64, 7)
    memory.write('RIFF\x40\0\0\0WEBPVP8 ', 'latin1')
    expect(pixelSizeOf(memory.subarray(0, 29))).toBeNull()
    expect(pixelSizeOf(memory.subarray(0, 30))).toEqual({ width: 0x0707, height: 0x0707 })
  })

  test('of no kind that we know is just bytes, without a size', () => {
    for (const text of [
      '',
      'G',
      'GIF88a',
      '<svg width="9" height="9"/>',
      'RIFF....WAVE',
      '%PDF-1.7',
      'BM......',
      '\0\0\0\x18ftypheic',
    ]) {
      expect(contentTypeOf(Buffer.from(text, 'latin1'))).toBe('application/octet-stream')
      expect(pixelSizeOf(Buffer.from(text, 'latin1'))).toBeNull()
    }
  })
})

function box(name: string, inner: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(inner.length + 8)
  return Buffer.concat([length, Buffer.from(name), inner])
}

describe('a hostile header', () => {
  const fillings: [string, (head: Buffer) => void][] = [
    ['segments of length zero', head => head.fill(0, 4)],
    ['segments of length one', head => head.fill('\0\x01', 4, 'latin1')],
    ['nothing but markers', head => head.fill(0xff, 4)],
    ['a marker every four bytes', head => head.fill('\0\x02\xff\xee', 4, 'latin1')],
    ['EXIF without end', head => head.fill('\0\x10Exif\0\0MM\0*\0\0\0\x08\xff\xff\xff\xee', 4, 'latin1')],
  ]

  test.for(fillings)('of a JPEG with %s costs little and has no size', ([, fill]) => {
    const head = Buffer.from('\xff\xd8\xff\xe0'.padEnd(pictureHeadBytes), 'latin1')
    fill(head)
    const startedAt = performance.now()
    expect(pixelSizeOf(head)).toBeNull()
    expect(performance.now() - startedAt).toBeLessThan(1000)
  })

  test('of an AVIF with thousands of boxes costs little', () => {
    const sizes = Buffer.concat(Array.from({ length: 6000 }, () => box('ispe', Buffer.alloc(12, 1))))
    const meta = box('meta', Buffer.concat([Buffer.alloc(4), box('iprp', box('ipco', sizes))]))
    const startedAt = performance.now()
    pixelSizeOf(Buffer.concat([box('ftyp', Buffer.from('avif\0\0\0\0')), meta]))
    expect(performance.now() - startedAt).toBeLessThan(1000)
  })
})
