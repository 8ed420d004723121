import { DataUrlHeader } from './data-url.ts'
import { backslash, quote } from './escape.ts'
import { Gathered } from './gathered.ts'
import { LiftError, malformed } from './lift-error.ts'

/**
 * What a string value is: base64, a data URL, base64 unless it begins with `data:`, or null for no picture. `link`: a data URL, or
 * base64 if it is long and holds nothing else, or else a text such as a URL.
 */
export type LiftAs = 'base64' | 'data_url' | 'either' | 'link' | null

export type ScanOptions = {
  select(path: readonly string[]): LiftAs
  maxJsonBytes: number
  maxDepth: number
}

const nothing = Buffer.alloc(0)

const comma = 0x2c
const colon = 0x3a
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/**
 * Reads JSON as it comes and keeps all of it but the pictures' text. It looks no closer than it must to tell keys, values and
 * levels apart: whether the rest is JSON is for JSON.parse, which sees every byte that is not in a picture.
 */
export class Scanner {
  readonly remainder = new Gathered()
  readonly #options: ScanOptions
  #state: 'between' | 'key' | 'text' | 'header' | 'picture' = 'between'
  /** One for each level: is it an object? */
  readonly #levels: boolean[] = []
  /** One for each object: the key that was read last. */
  readonly #path: string[] = []
  #expectsKey = false
  /** In the remainder: where the string's text begins. */
  #stringStart = 0
  /** In the chunk: where what is not yet in the remainder begins. */
  #unkeptStart = 0
  #skipsByte = false
  #hasEscape = false
  #liftAs: LiftAs = null
  #header = new DataUrlHeader()
  #pictureStart = nothing

  constructor(options: ScanOptions) {
    this.#options = options
  }

  /** True from the first byte of a picture's text, until `endPicture`. */
  get isInPicture(): boolean {
    return this.#state === 'picture'
  }

  /** Text of the picture that `scan` had to read before it knew. */
  get pictureStart(): Buffer {
    return this.#pictureStart
  }

  /** Reads `chunk` from `at` to its end, or up to a picture's text; returns where it stopped. */
  scan(chunk: Buffer, at: number): number {
    this.#unkeptStart = at
    let next = at
    while (next < chunk.length && this.#state !== 'picture') next = this.#step(chunk, next)
    this.#keep(chunk, next)
    // A header may turn out to be a picture's, and then does not count; it is short.
    if (this.#state !== 'header' && this.remainder.length > this.#options.maxJsonBytes) {
      throw new LiftError('json_too_large', `more than ${this.#options.maxJsonBytes} bytes of JSON, pictures not counted`)
    }
    return next
  }

  /** Puts `reference` in the picture's place; the string's closing quote is not to be scanned. */
  endPicture(reference: string): void {
    this.remainder.append(Buffer.from(`${reference}"`))
    this.#state = 'between'
  }

  #step(chunk: Buffer, at: number): number {
    switch (this.#state) {
      case 'between':
        return this.#readBetween(chunk, at)
      case 'key':
      case 'text':
        return this.#readString(chunk, at)
      case 'header':
        return this.#readHeader(chunk, at)
      case 'picture':
        return at
      default:
        return this.#state satisfies never
    }
  }

  #readBetween(chunk: Buffer, start: number): number {
    for (let at = start; at < chunk.length; at += 1) {
      const byte = chunk[at]
      if (byte === quote) {
        this.#beginString(at + 1)
        return at + 1
      }
      if (byte === comma) this.#expectsKey = this.#levels.at(-1) === true
      else if (byte === colon) this.#expectsKey = false
      else if (byte === openBrace || byte === openBracket) this.#beginLevel(byte === openBrace)
      else if (byte === closeBrace || byte === closeBracket) this.#endLevel(byte === closeBrace)
    }
    return chunk.length
  }

  #beginLevel(isObject: boolean): void {
    if (this.#levels.length >= this.#options.maxDepth) {
      throw new LiftError('too_deep', `more than ${this.#options.maxDepth} levels of JSON`)
    }
    this.#levels.push(isObject)
    if (isObject) this.#path.push('')
    this.#expectsKey = isObject
  }

  #endLevel(isObject: boolean): void {
    if (this.#levels.pop() !== isObject) throw malformed('brackets that do not match')
    if (isObject) this.#path.pop()
    this.#expectsKey = false
  }

  #beginString(at: number): void {
    this.#stringStart = this.remainder.length + at - this.#unkeptStart
    this.#hasEscape = false
    if (this.#expectsKey) {
      this.#state = 'key'
      return
    }
    this.#liftAs = this.#options.select(this.#path.slice())
    this.#pictureStart = nothing
    if (this.#liftAs === null) this.#state = 'text'
    else if (this.#liftAs === 'base64') this.#state = 'picture'
    else {
      this.#state = 'header'
      this.#header = new DataUrlHeader(this.#liftAs === 'link')
    }
  }

  #readString(chunk: Buffer, start: number): number {
    let at = start
    if (this.#skipsByte) {
      this.#skipsByte = false
      at += 1
    }
    for (; at < chunk.length; at += 1) {
      const byte = chunk[at]
      if (byte === quote) {
        if (this.#state === 'key') this.#path[this.#path.length - 1] = this.#readKey(chunk, at)
        this.#state = 'between'
        return at + 1
      }
      if (byte !== backslash) continue
      this.#hasEscape = true
      at += 1
    }
    this.#skipsByte = at > chunk.length
    return chunk.length
  }

  #readKey(chunk: Buffer, end: number): string {
    this.#keep(chunk, end)
    const raw = this.remainder.from(this.#stringStart).toString()
    if (!this.#hasEscape) return raw
    try {
      return String(JSON.parse(`"${raw}"`))
    } catch {
      throw malformed('a key that is not a string of JSON')
    }
  }

  #readHeader(chunk: Buffer, at: number): number {
    const next = this.#header.read(chunk, at)
    const { verdict } = this.#header
    if (verdict === 'payload') this.#liftFrom(chunk, next, false)
    else if (verdict === 'base64' || (verdict === 'other' && this.#liftAs === 'either')) this.#liftFrom(chunk, next, true)
    else if (verdict !== 'open') this.#state = 'text'
    return next
  }

  /** Takes back what is kept of the string: a data URL's header is dropped, the beginning of plain base64 is part of the picture. */
  #liftFrom(chunk: Buffer, at: number, isAllPicture: boolean): void {
    this.#keep(chunk, at)
    if (isAllPicture) this.#pictureStart = Buffer.from(this.remainder.from(this.#stringStart))
    this.remainder.truncate(this.#stringStart)
    this.#state = 'picture'
  }

  #keep(chunk: Buffer, end: number): void {
    this.remainder.append(chunk.subarray(this.#unkeptStart, end))
    this.#unkeptStart = end
  }
}
