import { GIF } from 'image-size/types/gif'
import { HEIF } from 'image-size/types/heif'
import { JPG } from 'image-size/types/jpg'
import { PNG } from 'image-size/types/png'
import { WEBP } from 'image-size/types/webp'

/** How much of a file's beginning is worth handing over: a JPEG's size may stand behind two segments of 64 KiB. */
export const pictureHeadBytes = 128 * 1024

/** The box that names a picture's size stands early; scanning them takes time that grows with the square of their number. */
const avifHeadBytes = 16 * 1024

/** No picture is shorter, and the library takes what is missing of a WebP's header for zeros. */
const shortestPictureBytes = 25

const unknownType = 'application/octet-stream'

/** One reader for each kind: the library's own choice would try those of twenty kinds on hostile bytes. */
const readers = new Map([
  ['image/png', PNG],
  ['image/jpeg', JPG],
  ['image/webp', WEBP],
  ['image/gif', GIF],
  ['image/avif', HEIF],
])

/** `image/png`, `image/jpeg`, `image/webp`, `image/gif`, `image/avif`, or `application/octet-stream`, by the bytes alone. */
export function contentTypeOf(head: Uint8Array): string {
  // The brands of an ISO media file are what is farthest in.
  const start = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, 64)).toString('latin1')
  if (start.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png'
  if (start.startsWith('\xff\xd8\xff')) return 'image/jpeg'
  if (start.startsWith('RIFF') && start.startsWith('WEBP', 8)) return 'image/webp'
  if (start.startsWith('GIF87a') || start.startsWith('GIF89a')) return 'image/gif'
  if (start.startsWith('ftyp', 4) && hasAvifBrand(start)) return 'image/avif'
  return unknownType
}

/** The major brand, then the compatible ones: other software writes `mif1` first. */
function hasAvifBrand(start: string): boolean {
  const boxBytes = Buffer.from(start.slice(0, 4), 'latin1').readUInt32BE()
  for (let at = 8; at + 4 <= Math.min(boxBytes, start.length); at += 4) {
    if (start.startsWith('avif', at) || start.startsWith('avis', at)) return true
  }
  return false
}

/**
 * The size in pixels that a picture's header states, as it is stored: an orientation in its EXIF does not turn it.
 * Null where the kind is none of those that `contentTypeOf` names, or the header is broken, or lies beyond `head`.
 */
export function pixelSizeOf(head: Uint8Array): { width: number; height: number } | null {
  const contentType = contentTypeOf(head)
  const reader = readers.get(contentType)
  if (reader === undefined || head.length < shortestPictureBytes) return null
  // A copy of its own: the library reads to the end of the ArrayBuffer, so it would find other people's bytes behind a short file.
  const bytes = new Uint8Array(head.subarray(0, contentType === 'image/avif' ? avifHeadBytes : pictureHeadBytes))
  try {
    // The library knows AVIF by its major brand alone, which is often another.
    if (contentType !== 'image/avif' && !reader.validate(bytes)) return null
    const { width, height } = reader.calculate(bytes)
    return isLength(width) && isLength(height) ? { width, height } : null
  } catch {
    // However it is broken, the bytes are what the client or the provider sent: they are kept as they are.
    return null
  }
}

function isLength(pixels: number): boolean {
  return Number.isSafeInteger(pixels) && pixels > 0
}
