import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp, { type Sharp } from 'sharp'
import { describe, expect, test } from 'vitest'
import { shownSizeOf } from '../../src/files/decoder.ts'
import { type PixelSize, pictureHeadBytes, shownSizeInHead } from '../../src/files/picture.ts'
import { testFolder } from '../support/folder.ts'
import { arithmetic, clippedAvif, turnedAvif, withSegments } from '../support/odd-pictures.ts'
import { picture } from '../support/pictures.ts'

const size = { width: 37, height: 23 }
const turned = { width: 23, height: 37 }
const drawing = sharp({ create: { ...size, channels: 3, background: '#c30' } })
const turn = (one: Sharp): Sharp => one.withMetadata({ orientation: 6 })

async function fileOf(bytes: Uint8Array): Promise<string> {
  const path = join(await testFolder(), '.out-1.part')
  await writeFile(path, bytes)
  return path
}

/** The plain ones: their own bytes say how they are shown. */
const plain: readonly (readonly [string, () => Promise<Buffer>, PixelSize])[] = [
  ['PNG', () => drawing.clone().png().toBuffer(), size],
  ['JPEG', () => drawing.clone().jpeg().toBuffer(), size],
  ['JPEG that is turned', () => turn(drawing.clone().jpeg({ progressive: true })).toBuffer(), turned],
  ['WebP', () => drawing.clone().webp().toBuffer(), size],
  ['WebP, lossless', () => drawing.clone().webp({ lossless: true }).toBuffer(), size],
  ['GIF', () => drawing.clone().gif().toBuffer(), size],
]

/** Those that a decoder has to be asked about. */
const odd: readonly (readonly [string, () => Promise<Buffer>, PixelSize])[] = [
  ['PNG that is turned', () => turn(drawing.clone().png()).toBuffer(), turned],
  ['WebP that is turned', () => turn(drawing.clone().webp()).toBuffer(), turned],
  [
    'JPEG whose frame header stands far behind',
    async () => withSegments(await picture({ ...size, format: 'jpeg' }), 700_000),
    size,
  ],
  ['such a JPEG that is turned', async () => withSegments(await turn(drawing.clone().jpeg()).toBuffer(), 140_000), turned],
  ['JPEG that is coded arithmetically', async () => arithmetic(await picture({ ...size, format: 'jpeg' })), size],
  ['AVIF', () => picture({ ...size, format: 'avif' }), size],
  ['AVIF that is turned', () => turnedAvif(size, 1), turned],
  ['AVIF that is turned by a half', () => turnedAvif(size, 2), size],
  [
    'AVIF with a clean aperture',
    () => clippedAvif({ width: 63, height: 48 }, { width: 40, height: 30 }),
    { width: 40, height: 30 },
  ],
]

describe('the size at which a picture is shown', () => {
  test.for(plain)('is read off the first bytes of a %s', async ([, make, shown]) => {
    expect(shownSizeInHead(await make())).toEqual(shown)
  })

  test.for(odd)('is not guessed of a %s: a decoder reads it', async ([, make, shown]) => {
    const bytes = await make()
    expect(shownSizeInHead(bytes.subarray(0, pictureHeadBytes))).toBeNull()
    expect(await shownSizeOf(await fileOf(bytes))).toEqual(shown)
  })

  test.for([...plain, ...odd])('of a %s is what a decoder makes of it', async ([name, make, shown]) => {
    // Its header says more than its bytes keep: there is nothing to decode.
    if (name.includes('arithmetically')) return
    const { info } = await sharp(await make())
      .autoOrient()
      .raw()
      .toBuffer({ resolveWithObject: true })
    expect({ width: info.width, height: info.height }).toEqual(shown)
  })

  test.for(plain)('of a %s that is cut anywhere is there or not', async ([, make, shown]) => {
    const bytes = await make()
    for (let length = 0; length < bytes.length; length += 1) {
      const cut = shownSizeInHead(bytes.subarray(0, length))
      if (cut !== null) expect(cut).toEqual(shown)
    }
  })

  test('is not taken from what lies behind a short file in a larger memory', () => {
    const memory = Buffer.alloc(64, 7)
    memory.write('RIFF\x40\0\0\0WEBPVP8 ', 'latin1')
    expect(shownSizeInHead(memory.subarray(0, 29))).toBeNull()
    expect(shownSizeInHead(memory.subarray(0, 30))).toEqual({ width: 0x0707, height: 0x0707 })
  })
})

function box(name: string, inner: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(inner.length + 8)
  return Buffer.concat([length, Buffer.from(name), inner])
}

describe('a hostile header', () => {
  const fillings: [string, string, (head: Buffer) => void][] = [
    ['JPEG with segments of length zero', '\xff\xd8\xff\xe0', head => head.fill(0, 4)],
    ['JPEG with segments of length one', '\xff\xd8\xff\xe0', head => head.fill('\0\x01', 4, 'latin1')],
    ['JPEG with nothing but markers', '\xff\xd8\xff\xe0', head => head.fill(0xff, 4)],
    ['JPEG with a marker every four bytes', '\xff\xd8\xff\xe0', head => head.fill('\0\x02\xff\xee', 4, 'latin1')],
    [
      'JPEG with EXIF without end',
      '\xff\xd8\xff\xe0',
      head => head.fill('\0\x10Exif\0\0MM\0*\0\0\0\x08\xff\xff\xff\xee', 4, 'latin1'),
    ],
    ['PNG with chunks of no bytes', '\x89PNG\r\n\x1a\n', head => head.fill('\0\0\0\0abcdcrc.', 8, 'latin1')],
    ['PNG with a chunk that is too long', '\x89PNG\r\n\x1a\n', head => head.fill('\xff\xff\xff\xffabcd', 8, 'latin1')],
    ['WebP', 'RIFF\xff\xff\xff\xffWEBPVP8X', head => head.fill(0xff, 16)],
  ]

  test.for(fillings)('of a %s costs little and has no size', async ([, start, fill]) => {
    const head = Buffer.from(start.padEnd(pictureHeadBytes), 'latin1')
    fill(head)
    const startedAt = performance.now()
    expect(shownSizeInHead(head)).toBeNull()
    expect(performance.now() - startedAt).toBeLessThan(1000)
    expect(await shownSizeOf(await fileOf(head))).toBeNull()
  })

  test('of an AVIF with thousands of boxes has no size, and ends', async () => {
    const sizes = Buffer.concat(Array.from({ length: 6000 }, () => box('ispe', Buffer.alloc(12, 1))))
    const meta = box('meta', Buffer.concat([Buffer.alloc(4), box('iprp', box('ipco', sizes))]))
    const bytes = Buffer.concat([box('ftyp', Buffer.from('avif\0\0\0\0')), meta])
    expect(shownSizeInHead(bytes)).toBeNull()
    expect(await shownSizeOf(await fileOf(bytes))).toBeNull()
  })

  test('that states more pixels than can be decoded costs nothing', async () => {
    const bytes = await turn(drawing.clone().png()).toBuffer()
    bytes.writeUInt32BE(2 ** 30, 16)
    bytes.writeUInt32BE(2 ** 30, 20)
    expect(await shownSizeOf(await fileOf(bytes))).toBeNull()
  })
})
