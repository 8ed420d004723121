/** The newest entries, in order of arrival. The oldest are forgotten, by number and by size, so that memory stays bounded. */
export class Journal<T> {
  /** The entries themselves: always the same array, it changes as entries come and go. */
  readonly entries: T[] = []
  readonly #sizes: number[] = []
  readonly #maxEntries: number
  readonly #maxSize: number
  #size = 0

  constructor(maxEntries: number, maxSize: number) {
    this.#maxEntries = maxEntries
    this.#maxSize = maxSize
  }

  /** `size` is what the entry weighs, in the unit of `maxSize`: characters, say. */
  add(entry: T, size: number): void {
    this.entries.push(entry)
    this.#sizes.push(size)
    this.#size += size
    while (this.entries.length > this.#maxEntries || (this.#size > this.#maxSize && this.entries.length > 1)) {
      this.entries.shift()
      this.#size -= this.#sizes.shift() ?? 0
    }
  }
}
