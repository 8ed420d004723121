import { malformed } from './lift-error.ts'

export const quote = 0x22
export const backslash = 0x5c

/** Raw characters below it may not stand in a JSON string. */
export const firstPrintable = 0x20

const letterU = 0x75
const simpleEscapes = '"\\/bfnrt'
const meanings = '"\\/\b\f\n\r\t'

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
