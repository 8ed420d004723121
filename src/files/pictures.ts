import { randomBytes } from 'node:crypto'
import type { FileSink, StoredFile } from '../domain/ports.ts'
import { Base64Text } from './base64.ts'
import { LiftError } from './lift-error.ts'

export type PictureOptions = {
  /** Opens a file for a picture; called when the first of its bytes are there, for one picture after the other. */
  create(): FileSink
  /** Removes a file that one of the sinks finished. */
  remove(file: StoredFile): Promise<void>
  /** For one picture, decoded. */
  maxFileBytes: number
  /** 64 where it is left out. */
  maxFiles?: number
  /** A picture that is no base64 leaves an empty string in its place, and the others are kept. Else the body is refused for it. */
  leavesBadEmpty?: boolean
}

/** The pictures of one body: at most one of them is being written, the others are files. */
export class Pictures {
  readonly #options: PictureOptions
  readonly #maxFiles: number
  /** By reference, in the body's order. */
  readonly #files = new Map<string, StoredFile>()
  #nonce = ''
  #text: Base64Text | null = null
  #sink: FileSink | null = null
  #fileBytes = 0
  /** The picture that is being written is no base64. */
  #isBad = false

  constructor(options: PictureOptions) {
    this.#options = options
    this.#maxFiles = options.maxFiles ?? 64
  }

  get files(): ReadonlyMap<string, StoredFile> {
    return this.#files
  }

  get isWriting(): boolean {
    return this.#text !== null
  }

  /** Begins a picture whose text begins with `text`. */
  begin(text: Buffer): Promise<void> | undefined {
    this.#text = new Base64Text()
    this.#fileBytes = 0
    this.#isBad = false
    return this.add(text)
  }

  /** Takes the next piece of the picture's text. */
  add(text: Buffer): Promise<void> | undefined {
    return this.#decode(base64 => base64.decode(text))
  }

  /** Ends the picture at its string's end; returns what is to stand in its place, which is nothing where it has no bytes. */
  async end(): Promise<string> {
    await this.#decode(base64 => base64.end())
    this.#text = null
    if (this.#sink === null) return ''
    const file = await this.#sink.finish()
    this.#sink = null
    // Chosen at random when the text before it is through: a body can't hold it by itself.
    if (this.#nonce === '') this.#nonce = randomBytes(16).toString('hex')
    const reference = `picture:${this.#nonce}:${this.#files.size}`
    this.#files.set(reference, file)
    return reference
  }

  /** Removes the files whose references are not in `value`: of a key that comes twice, only the last is there. */
  async keepOnlyThoseIn(value: unknown): Promise<void> {
    if (this.#files.size === 0) return
    const strings = stringsIn(value)
    for (const [reference, file] of this.#files) {
      if (strings.has(reference)) continue
      this.#files.delete(reference)
      await this.#tryRemove(file)
    }
  }

  /** Removes all that was written. Never rejects. */
  async undo(): Promise<void> {
    await this.#giveUp()
    for (const file of this.#files.values()) await this.#tryRemove(file)
    this.#files.clear()
  }

  #decode(step: (base64: Base64Text) => Uint8Array): Promise<void> | undefined {
    if (this.#text === null || this.#isBad) return undefined
    let bytes: Uint8Array
    try {
      bytes = step(this.#text)
    } catch (error) {
      if (this.#options.leavesBadEmpty !== true) throw error
      this.#isBad = true
      return this.#giveUp()
    }
    return this.#write(bytes)
  }

  async #giveUp(): Promise<void> {
    await this.#sink?.discard()
    this.#sink = null
  }

  #write(bytes: Uint8Array): Promise<void> | undefined {
    if (bytes.length === 0) return undefined
    this.#fileBytes += bytes.length
    if (this.#fileBytes > this.#options.maxFileBytes) {
      throw new LiftError('file_too_large', `a picture of more than ${this.#options.maxFileBytes} bytes`)
    }
    this.#sink ??= this.#open()
    return this.#sink.write(bytes)
  }

  #open(): FileSink {
    if (this.#files.size >= this.#maxFiles) throw new LiftError('too_many_files', `more than ${this.#maxFiles} pictures`)
    return this.#options.create()
  }

  async #tryRemove(file: StoredFile): Promise<void> {
    try {
      await this.#options.remove(file)
    } catch {
      // No row names it, so the sweep finds it; the body's own fate is what the caller waits for.
    }
  }
}

/** Every string that is a value, at any depth. */
function stringsIn(value: unknown): Set<string> {
  const strings = new Set<string>()
  const pending = [value]
  while (pending.length > 0) {
    const next = pending.pop()
    if (typeof next === 'string') strings.add(next)
    else if (typeof next === 'object' && next !== null) for (const inner of Object.values(next)) pending.push(inner)
  }
  return strings
}
