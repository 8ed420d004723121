import { backslash, Escape, firstPrintable } from './escape.ts'
import { badPicture, malformed } from './lift-error.ts'

const isLetter = 1
const isSpace = 2
const isPadding = 3

/** What each byte is to base64, of both alphabets; 0: not allowed. */
const kinds = new Uint8Array(256)
for (const letter of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_') kinds[letter.charCodeAt(0)] = isLetter
for (const space of ' \t\n\f\r') kinds[space.charCodeAt(0)] = isSpace
kinds['='.charCodeAt(0)] = isPadding

/**
 * Decodes the base64 in a JSON string's raw text, which may come in any pieces. Standard and URL-safe letters, white space and
 * escapes may be mixed; padding may be left out. Everything else throws LiftError `malformed`.
 */
export class Base64Text {
  readonly #escape = new Escape()
  /** The letters of a group that is not whole yet: 3 at most. */
  #held = ''
  #paddingCount = 0
  #letters = Buffer.alloc(0)
  #bytes = Buffer.alloc(0)

  /** Takes the next piece; returns what it decodes to, valid until the next call. */
  decode(text: Buffer): Uint8Array {
    return this.#decodeClean(text) ?? this.#decodeAny(text)
  }

  /** To be called at the string's end; returns the last bytes. */
  end(): Uint8Array {
    if (this.#escape.isOpen) throw badPicture('a picture that ends within an escape')
    const lettersLeft = this.#held.length
    const paddingDue = lettersLeft === 0 ? 0 : 4 - lettersLeft
    if (lettersLeft === 1 || (this.#paddingCount > 0 && this.#paddingCount !== paddingDue)) {
      throw badPicture('a picture whose base64 is cut short or wrongly padded')
    }
    return Buffer.from(this.#held, 'base64')
  }

  /** For text that holds nothing but letters, which is nearly all: a native decoder, whose output's length tells whether it was. */
  #decodeClean(text: Buffer): Uint8Array | null {
    if (this.#escape.isOpen || this.#paddingCount > 0) return null
    const extraLetters = (this.#held.length + text.length) % 4
    const cut = text.length - extraLetters
    if (cut <= 0) return null
    const rest = text.subarray(cut)
    if (!rest.every(byte => kinds[byte] === isLetter)) return null
    // The group that was begun goes first, alone: put before the rest, it would have all of it copied once more.
    const firstCut = this.#held === '' ? 0 : 4 - this.#held.length
    const first = this.#held + text.toString('latin1', 0, firstCut)
    const decoded = this.#decodeLetters(first, text.toString('latin1', firstCut, cut))
    if (decoded !== null) this.#held = rest.toString('latin1')
    return decoded
  }

  #decodeAny(text: Buffer): Uint8Array {
    const letterCount = this.#gatherLetters(text)
    const cut = letterCount - (letterCount % 4)
    const decoded = this.#decodeLetters('', this.#letters.toString('latin1', 0, cut))
    if (decoded === null) throw badPicture('a picture that is not base64')
    this.#held = this.#letters.toString('latin1', cut, letterCount)
    return decoded
  }

  /** Puts what is held and the letters of `text` into `#letters`; returns their number. */
  #gatherLetters(text: Buffer): number {
    if (this.#letters.length < text.length + 3) this.#letters = Buffer.allocUnsafe(text.length + 3)
    const letters = this.#letters
    let count = letters.write(this.#held, 'latin1')
    let at = 0
    while (at < text.length) {
      if (!this.#escape.isOpen && this.#paddingCount === 0) {
        const runLength = copyLetters(text, at, letters, count)
        at += runLength
        count += runLength
        if (at === text.length) break
      }
      const letter = this.#readLetter(text[at] ?? 0)
      at += 1
      if (letter < 0) continue
      letters[count] = letter
      count += 1
    }
    return count
  }

  /** The letter that a byte is or completes, or -1 where it is none: white space, padding, within an escape. */
  #readLetter(byte: number): number {
    const unit = this.#readUnit(byte)
    if (unit < 0) return -1
    const kind = kinds[unit] ?? 0
    if (kind === isLetter && this.#paddingCount === 0) return unit
    if (kind === isPadding && this.#paddingCount < 2) this.#paddingCount += 1
    else if (kind !== isSpace) throw badPicture('a picture that is not base64')
    return -1
  }

  /** The UTF-16 unit that a byte is or completes, or -1 within an escape. */
  #readUnit(byte: number): number {
    if (this.#escape.isOpen) return this.#escape.take(byte)
    if (byte < firstPrintable) throw malformed('a control character in a string')
    if (byte !== backslash) return byte
    this.#escape.begin()
    return -1
  }

  /** Null where one of the two, both in whole groups, holds anything but letters: the decoder leaves that out, so that less comes of it. */
  #decodeLetters(first: string, letters: string): Uint8Array | null {
    const firstBytes = (first.length / 4) * 3
    const dueBytes = firstBytes + (letters.length / 4) * 3
    if (this.#bytes.length < dueBytes) this.#bytes = Buffer.allocUnsafe(dueBytes)
    const writtenBytes =
      this.#bytes.write(first, 0, firstBytes, 'base64') + this.#bytes.write(letters, firstBytes, dueBytes - firstBytes, 'base64')
    return writtenBytes === dueBytes ? this.#bytes.subarray(0, dueBytes) : null
  }
}

/** Copies letters up to the first byte that is none; returns how many. On its own, because that makes it three times as fast. */
function copyLetters(text: Buffer, from: number, letters: Buffer, to: number): number {
  let at = from
  for (; at < text.length; at += 1) {
    const byte = text[at] ?? 0
    if (kinds[byte] !== isLetter) break
    letters[to + at - from] = byte
  }
  return at - from
}
