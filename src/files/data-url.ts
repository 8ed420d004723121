import { backslash, Escape, firstPrintable, quote } from './escape.ts'
import { malformed } from './lift-error.ts'

const prefix = 'data:'
const maxHeaderBytes = 256

/** Base64 of a picture is longer than this; what is shorter, or has anything else in it, is a link or a name. */
const leastBase64Letters = 64

/** Stands for each byte beyond ASCII: which character it belongs to makes no difference. */
const foreign = 0xfffd

/**
 * `open`: more is needed; `payload`: what follows is a data URL's base64; `text`: it begins like a data URL, but is none with
 * base64; `base64`: it begins like base64 alone; `other`: it does not begin with `data:`.
 */
export type Verdict = 'open' | 'payload' | 'text' | 'base64' | 'other'

/**
 * Reads the beginning of a JSON string's raw text, to find out whether it is a data URL with base64 in it; or, where links are
 * looked for, base64 alone.
 */
export class DataUrlHeader {
  verdict: Verdict = 'open'
  readonly #escape = new Escape()
  readonly #isLink: boolean
  #header = ''
  /** It does not begin with `data:`. */
  #isOther = false

  constructor(isLink = false) {
    this.#isLink = isLink
  }

  /** Reads on from `at`, until there is a verdict or the chunk ends; returns where it stopped: a closing quote is not taken. */
  read(chunk: Buffer, at: number): number {
    let next = at
    for (; next < chunk.length && this.verdict === 'open'; next += 1) {
      const byte = chunk[next] ?? 0
      if (byte === quote && !this.#escape.isOpen) {
        this.verdict = this.#header.length < prefix.length ? 'other' : 'text'
        return next
      }
      this.#takeByte(byte)
    }
    return next
  }

  #takeByte(byte: number): void {
    if (this.#escape.isOpen) {
      const unit = this.#escape.take(byte)
      if (unit >= 0) this.#takeChar(String.fromCharCode(unit))
    } else if (byte === backslash) {
      this.#escape.begin()
    } else if (byte < firstPrintable) {
      throw malformed('a control character in a string')
    } else {
      this.#takeChar(String.fromCharCode(byte < 0x80 ? byte : foreign))
    }
  }

  #takeChar(char: string): void {
    const expected = prefix[this.#header.length]
    if (this.#isOther || (expected !== undefined && char.toLowerCase() !== expected)) {
      this.#takeOther(char)
    } else if (char === ',') {
      this.verdict = /; *base64$/i.test(this.#header) ? 'payload' : 'text'
    } else {
      this.#header += char
      if (this.#header.length > maxHeaderBytes) this.verdict = 'text'
    }
  }

  /** The scheme's colon tells a link at once; a path shows its dot, or ends. */
  #takeOther(char: string): void {
    this.#isOther = true
    this.#header += char
    if (!this.#isLink) this.verdict = 'other'
    else if (!/^[\w+/\s-]$/.test(char)) this.verdict = 'text'
    else if (this.#header.length >= leastBase64Letters) this.verdict = 'base64'
  }
}
