import { GIF } from 'image-size/types/gif'
import { JPG } from 'image-size/types/jpg'
import { PNG } from 'image-size/types/png'
import { WEBP } from 'image-size/types/webp'
import { contentTypeOf } from '../domain/picture.ts'

export type PixelSize = { width: number; height: number }

/** How much of a file's beginning is worth looking at: most JPEGs have no more than a segment of 64 KiB before their size. */
export const pictureHeadBytes = 128 * 1024

/** No picture is shorter, and the library takes what is missing of a WebP's header for zeros. */
const shortestPictureBytes = 25

type Header = { width: number; height: number; orientation?: number }

/** Of each kind a reader of its header, which throws or gives null where that does not tell how the picture is shown. */
const readers = new Map<string, (head: Uint8Array) => Header | null>([
  ['image/png', readPng],
  ['image/jpeg', head => JPG.calculate(head)],
  ['image/webp', head => (hasWebpExif(head) || !WEBP.validate(head) ? null : WEBP.calculate(head))],
  ['image/gif', head => GIF.calculate(head)],
])

/**
 * The size in pixels at which a picture is shown, by its first bytes; null where they do not surely tell: the header is broken,
 * or lies beyond `head`, or the picture is turned or cut by what only a decoder reads.
 */
export function shownSizeInHead(head: Uint8Array): PixelSize | null {
  const read = readers.get(contentTypeOf(head))
  if (read === undefined || head.length < shortestPictureBytes) return null
  try {
    // A copy of its own: the library reads to the end of the ArrayBuffer, so it would find other people's bytes behind a short file.
    const header = read(new Uint8Array(head.subarray(0, pictureHeadBytes)))
    return header === null ? null : asShown(header)
  } catch {
    // However it is broken, the bytes are what the client or the provider sent: they are kept as they are.
    return null
  }
}

/** From the fifth on, orientations turn a picture by a quarter. */
function asShown({ width, height, orientation = 1 }: Header): PixelSize | null {
  if (!isLength(width) || !isLength(height)) return null
  return orientation >= 5 && orientation <= 8 ? { width: height, height: width } : { width, height }
}

function isLength(pixels: number): boolean {
  return Number.isSafeInteger(pixels) && pixels > 0
}

/** An orientation stands in a chunk of its own, before those of the picture's data. */
function readPng(head: Uint8Array): Header | null {
  const view = new DataView(head.buffer, head.byteOffset, head.length)
  for (let at = 8; at + 8 <= head.length; at += 12 + view.getUint32(at)) {
    const name = String.fromCharCode(...head.subarray(at + 4, at + 8))
    if (name === 'eXIf') return null
    if (name === 'IDAT') return PNG.validate(head) ? PNG.calculate(head) : null
  }
  return null
}

/** Whether an extended WebP says that it has EXIF data. */
function hasWebpExif(head: Uint8Array): boolean {
  return Buffer.from(head.subarray(12, 16)).toString('latin1') === 'VP8X' && ((head[20] ?? 0) & 0x08) !== 0
}
