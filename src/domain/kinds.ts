import type { StoredFile } from './ports.ts'

const takenTypes: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/webp'])

/** Whether a file may be sent in, by the type that its bytes have. */
export function isTaken(contentType: string): boolean {
  return takenTypes.has(contentType)
}

/** What a refused file is, as the end of a sentence; nothing if that could not be told. */
export function lookIn({ look }: Pick<StoredFile, 'look'>): string {
  return look === undefined ? '' : `; by its bytes it is ${look}`
}

const remedy = 'convert it to JPEG or PNG first'

/** By the major brand of an ISO media file. */
const isoBrands: ReadonlyMap<string, string> = new Map([
  ['heic', 'a HEIC picture'],
  ['heix', 'a HEIC picture'],
  ['hevc', 'a HEIC picture'],
  ['heim', 'a HEIC picture'],
  ['heis', 'a HEIC picture'],
  ['mif1', 'a HEIF picture'],
  ['msf1', 'a HEIF picture'],
])

/** Pictures whose type we know, and that no model takes. */
const known: ReadonlyMap<string, string> = new Map([
  ['image/gif', 'a GIF'],
  ['image/avif', 'an AVIF picture'],
])

/** Other pictures that no model takes. */
const starts: readonly (readonly [start: string, what: string])[] = [
  ['BM', 'a BMP picture'],
  ['II*\0', 'a TIFF picture'],
  ['MM\0*', 'a TIFF picture'],
  ['\0\0\x01\0', 'an icon'],
  ['\xff\x0a', 'a JPEG XL picture'],
  ['\0\0\0\x0cJXL ', 'a JPEG XL picture'],
  ['8BPS', 'a Photoshop file'],
]

/** What is no picture at all. */
const others: readonly (readonly [start: RegExp, what: string])[] = [
  [/^%PDF-/, 'a PDF: export the page as PNG or JPEG'],
  [/^(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<svg/is, 'an SVG drawing: export it as PNG first'],
  [/^(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html)/i, 'an HTML page: the URL or file is not the picture itself'],
  [/^(?:\xef\xbb\xbf)?\s*[{[]/, 'JSON text: the URL or file is not the picture itself'],
]

/**
 * What a file is that is sent for a picture and can't be taken, by its first bytes and the type that they have, with what to do about
 * it; null if that cannot be told. Completes a sentence: "image is a HEIC picture: convert it to JPEG or PNG first".
 */
export function lookOf(head: Uint8Array, contentType: string): string | null {
  const start = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, 512)).toString('latin1')
  if (start === '') return 'an empty file'
  const brand = start.startsWith('ftyp', 4) ? isoBrands.get(start.slice(8, 12)) : undefined
  const picture = known.get(contentType) ?? brand ?? starts.find(([bytes]) => start.startsWith(bytes))?.[1]
  if (picture !== undefined) return `${picture}: ${remedy}`
  return others.find(([pattern]) => pattern.test(start))?.[1] ?? null
}
