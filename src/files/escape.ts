import { malformed } from './lift-error.ts'

export const quote = 0x22
export const backslash = 0x5c

/** Raw characters below it may not stand in a JSON string. */
export const firstPrintable = 0x20

const letterU = 0x75
const simpleEscapes = '"\\/bfnrt'
const meanings = '"\\/\b\f\n\r\t'

/** Finds the closing quote of a JSON string, whatever is in it; its raw text may come in any pieces. */
export class StringEnd {
  /** The text so far ends with a backslash that belongs to what comes next. */
  #isOpen = false

  /** Where the quote stands in the next piece; -1: the string goes on. */
  find(piece: Buffer): number {
    for (let from = 0; ; ) {
      const quoteAt = piece.indexOf(quote, from)
      const end = quoteAt < 0 ? piece.length : quoteAt
      let backslashes = 0
      while (backslashes < end - from && piece[end - 1 - backslashes] === backslash) backslashes += 1
      const isOdd = backslashes % 2 === 1
      const isEscaped = backslashes === end - from ? isOdd !== this.#isOpen : isOdd
      this.#isOpen = quoteAt < 0 && isEscaped
      if (quoteAt < 0 || !isEscaped) return quoteAt
      from = quoteAt + 1
    }
  }
}

/** One escape of a JSON string, read byte by byte. */
export class Escape {
  /** True between the backslash and the escape's last character. */
  isOpen = false
  #digitsLeft = 0
  #unit = 0

  /** To be called for the backslash. */
  begin(): void {
    this.isOpen = true
    this.#digitsLeft = 0
    this.#unit = 0
  }

  /** Takes the next byte; returns the UTF-16 unit that the escape stands for, or -1 while there is more to come. */
  take(byte: number): number {
    if (this.#digitsLeft > 0) return this.#takeDigit(byte)
    if (byte === letterU) {
      this.#digitsLeft = 4
      return -1
    }
    const index = simpleEscapes.indexOf(String.fromCharCode(byte))
    if (index < 0) throw malformed('an escape that JSON does not know')
    this.isOpen = false
    return meanings.charCodeAt(index)
  }

  #takeDigit(byte: number): number {
    const digit = Number.parseInt(String.fromCharCode(byte), 16)
    if (Number.isNaN(digit)) throw malformed('an escape without its four hexadecimal digits')
    this.#unit = this.#unit * 16 + digit
    this.#digitsLeft -= 1
    if (this.#digitsLeft > 0) return -1
    this.isOpen = false
    return this.#unit
  }
}
