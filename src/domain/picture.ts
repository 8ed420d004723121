import type { StoredFile } from './ports.ts'

/** Bytes of a kind that we do not know, and that are no text. */
export const unknownType = 'application/octet-stream'
/** A text of whatever kind, HTML and JSON too. */
export const textType = 'text/plain'

/** A text shows itself as one in less; what comes behind it makes no picture of it. */
export const typeHeadBytes = 4_096

/** The header of every kind of picture is longer: what is shorter is a word that happens to be base64, such as `null`. */
const shortestUnknownBytes = 12

/**
 * `image/png`, `image/jpeg`, `image/webp`, `image/gif` or `image/avif`; otherwise `text/plain` for a text, and for nothing at all,
 * or `application/octet-stream`: by the bytes alone. `head` is the beginning of a file: 4 kB of it do.
 */
export function contentTypeOf(head: Uint8Array): string {
  // The brands of an ISO media file are what is farthest in.
  const start = latin1(head, 64)
  if (start.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png'
  if (start.startsWith('\xff\xd8\xff')) return 'image/jpeg'
  if (start.startsWith('RIFF') && start.startsWith('WEBP', 8)) return 'image/webp'
  if (start.startsWith('GIF87a') || start.startsWith('GIF89a')) return 'image/gif'
  if (start.startsWith('ftyp', 4) && hasAvifBrand(start)) return 'image/avif'
  return isText(head.subarray(0, typeHeadBytes)) ? textType : unknownType
}

function latin1(bytes: Uint8Array, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, length)).toString('latin1')
}

/** The major brand, then the compatible ones: other software writes `mif1` first. */
function hasAvifBrand(start: string): boolean {
  const boxBytes = Buffer.from(start.slice(0, 4), 'latin1').readUInt32BE()
  for (let at = 8; at + 4 <= Math.min(boxBytes, start.length); at += 4) {
    if (start.startsWith('avif', at) || start.startsWith('avis', at)) return true
  }
  return false
}

/** What the WHATWG's sniffing calls a binary data byte: no text in any encoding of single bytes has one. */
function isBinary(unit: number): boolean {
  return unit < 0x20 && unit !== 0x09 && unit !== 0x0a && unit !== 0x0c && unit !== 0x0d && unit !== 0x1b
}

function isText(head: Uint8Array): boolean {
  if (head.some(isBinary)) return isUtf16(head)
  return decode('utf-8', head) !== null || isInOlderEncoding(head)
}

/** Null where it is not in that encoding. The last character may be cut. */
function decode(encoding: 'utf-8' | 'utf-16le' | 'utf-16be', head: Uint8Array): string | null {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(head, { stream: true })
  } catch {
    return null
  }
}

/** Markup, whatever its words are in; or words with a foreign letter now and then. */
function isInOlderEncoding(head: Uint8Array): boolean {
  if (/^\s*[<{[]/.test(latin1(head, 64))) return true
  const foreign = head.reduce((count, byte) => (byte < 0x80 ? count : count + 1), 0)
  return foreign * 7 <= head.length
}

/** With its mark, or without one if it begins with ASCII. */
function isUtf16(head: Uint8Array): boolean {
  const [first, second] = head
  const isMarked = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)
  const text = decode(first === 0xff || second === 0 ? 'utf-16le' : 'utf-16be', head)
  if (text === null || text.split('').some(unit => isBinary(unit.charCodeAt(0)))) return false
  return isMarked || /^[ -~\s]{4}/.test(text)
}

/** Whether a file may be a picture that was paid for: all that is neither empty nor a text, whether we know its kind or not. */
export function isPicture({ contentType, sizeBytes }: Pick<StoredFile, 'contentType' | 'sizeBytes'>): boolean {
  if (contentType === unknownType) return sizeBytes >= shortestUnknownBytes
  return contentType !== textType
}

/** What a file is that is no picture, in words. */
export function whatItIs({ contentType, sizeBytes }: Pick<StoredFile, 'contentType' | 'sizeBytes'>): string {
  if (sizeBytes === 0) return 'nothing'
  return contentType === textType ? 'a text' : `${sizeBytes} bytes`
}
