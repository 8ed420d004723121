/** Bytes gathered from chunks, which are copied, into one piece. */
export class Gathered {
  length = 0
  #bytes = Buffer.alloc(0)

  append(bytes: Uint8Array): void {
    this.#reserve(this.length + bytes.length)
    this.#bytes.set(bytes, this.length)
    this.length += bytes.length
  }

  /** Forgets everything from `length` on. */
  truncate(length: number): void {
    this.length = length
  }

  /** A view, valid until the next change. */
  from(start: number): Buffer {
    return this.#bytes.subarray(start, this.length)
  }

  #reserve(neededBytes: number): void {
    if (neededBytes <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(neededBytes, this.#bytes.length * 2, 1024))
    grown.set(this.from(0))
    this.#bytes = grown
  }
}
