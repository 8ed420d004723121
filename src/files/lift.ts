import type { StoredFile } from '../domain/ports.ts'
import { StringEnd } from './escape.ts'
import { Gathered } from './gathered.ts'
import { LiftError, malformed } from './lift-error.ts'
import { type PictureOptions, Pictures } from './pictures.ts'
import { Scanner, type ScanOptions } from './scan.ts'

export { LiftError, type LiftErrorKind } from './lift-error.ts'
export type { LiftAs } from './scan.ts'

export type LiftOptions = ScanOptions &
  PictureOptions & {
    /** For the whole body. */
    maxBodyBytes: number
    /** How much of the body's beginning a LiftError carries. 0: nothing. */
    keepRawBytes: number
  }

export type Lifted = {
  /** As JSON.parse sees the body, but with a reference in each picture's place. */
  value: unknown
  bodyBytes: number
  /** The picture that `reference`, a string in `value`, stands for; undefined for everything else. */
  file(reference: unknown): StoredFile | undefined
  /** The pictures in `value`, in the body's order. */
  files: readonly StoredFile[]
}

/** Bounds what one picture's text takes of memory at a time, however large the chunks are. */
const pieceBytes = 64 * 1024

/**
 * Parses JSON as it comes, and writes each picture in it (a string for which `select` says so) to a file on the way, so that no
 * picture is ever whole in memory. A picture without any bytes is no file but stays an empty string; if `leavesBadEmpty` says so,
 * one that is no base64 becomes one. `data:` URLs that hold no base64, or whose header is longer than 256 bytes, are ordinary text.
 *
 * Throws LiftError for what is wrong with the body; errors of the body's stream, of the sinks and of `select` come through as
 * they are. Before it throws, everything that was written is removed; removing never fails it, the sweep comes after.
 * The body's iterator is closed on an error, which destroys a stream: hand over `request.iterator({ destroyOnReturn: false })`
 * where an answer is still to be sent.
 */
export async function liftJson(body: AsyncIterable<Uint8Array>, options: LiftOptions): Promise<Lifted> {
  const lift = new Lift(options)
  try {
    await lift.readAll(body)
    return await lift.result()
  } catch (error) {
    await lift.undo()
    if (error instanceof LiftError) {
      error.raw = lift.raw
      error.bodyBytes = lift.bodyBytes
    }
    throw error
  }
}

class Lift {
  readonly #options: LiftOptions
  readonly #scanner: Scanner
  readonly #pictures: Pictures
  readonly #end = new StringEnd()
  readonly #raw = new Gathered()
  #bodyBytes = 0

  constructor(options: LiftOptions) {
    this.#options = options
    this.#scanner = new Scanner(options)
    this.#pictures = new Pictures(options)
  }

  get bodyBytes(): number {
    return this.#bodyBytes
  }

  get raw(): Buffer | null {
    return this.#options.keepRawBytes > 0 ? this.#raw.from(0) : null
  }

  async readAll(body: AsyncIterable<Uint8Array>): Promise<void> {
    const { keepRawBytes } = this.#options
    let refusal: LiftError | null = null
    for await (const bytes of body) {
      const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
      this.#raw.append(chunk.subarray(0, keepRawBytes - this.#raw.length))
      refusal ??= await this.#tryRead(chunk)
      // What could not be understood is read on for as long as there is more of it to keep.
      if (refusal !== null && this.#raw.length >= keepRawBytes) throw refusal
    }
    if (refusal !== null) throw refusal
    if (this.#pictures.isWriting) throw malformed('a body that ends within a picture')
  }

  async result(): Promise<Lifted> {
    const value = parse(this.#scanner.remainder.from(0))
    await this.#pictures.keepOnlyThoseIn(value)
    const { files } = this.#pictures
    return {
      value,
      bodyBytes: this.#bodyBytes,
      file: reference => (typeof reference === 'string' ? files.get(reference) : undefined),
      files: [...files.values()],
    }
  }

  undo(): Promise<void> {
    return this.#pictures.undo()
  }

  async #tryRead(chunk: Buffer): Promise<LiftError | null> {
    try {
      await this.#read(chunk)
      return null
    } catch (error) {
      if (error instanceof LiftError) return error
      throw error
    }
  }

  async #read(chunk: Buffer): Promise<void> {
    const { maxBodyBytes } = this.#options
    this.#bodyBytes += chunk.length
    if (this.#bodyBytes > maxBodyBytes) throw new LiftError('body_too_large', `a body of more than ${maxBodyBytes} bytes`)
    let at = 0
    while (at < chunk.length) {
      if (this.#pictures.isWriting) {
        at = await this.#readPicture(chunk, at)
      } else {
        at = this.#scanner.scan(chunk, at)
        if (this.#scanner.isInPicture) await this.#pictures.begin(this.#scanner.pictureStart)
      }
    }
  }

  async #readPicture(chunk: Buffer, at: number): Promise<number> {
    const piece = chunk.subarray(at, at + pieceBytes)
    const end = this.#end.find(piece)
    if (end < 0) {
      await this.#pictures.add(piece)
      return at + piece.length
    }
    await this.#pictures.add(piece.subarray(0, end))
    this.#scanner.endPicture(await this.#pictures.end())
    return at + end + 1
  }
}

/** Throws LiftError. The error of JSON.parse is no cause: its message quotes what it parsed. */
function parse(json: Buffer): unknown {
  const hasByteOrderMark = json[0] === 0xef && json[1] === 0xbb && json[2] === 0xbf
  const text = json.toString('utf8', hasByteOrderMark ? 3 : 0)
  try {
    return JSON.parse(text)
  } catch {
    throw malformed('a body that is not JSON')
  }
}
