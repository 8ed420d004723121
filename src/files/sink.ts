import { createHash } from 'node:crypto'
import { type FileHandle, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { giveBack } from '../domain/chunks.ts'
import { isTaken, lookOf } from '../domain/kinds.ts'
import { contentTypeOf } from '../domain/picture.ts'
import type { FileSink, StoredFile } from '../domain/ports.ts'
import { shownSizeOf } from './decoder.ts'
import { checkName, type Folders, partName, randomSuffix } from './folder.ts'
import { pictureHeadBytes, shownSizeInHead } from './picture.ts'
import type { Turns } from './turns.ts'

/** A sink has two: one that fills while the other is being written. */
const bufferBytes = 256 * 1024
/** So much may be on its way to the disk: what is synced while more still comes is not waited for at the end. */
const unsyncedBytes = 4 * 2 ** 20

/**
 * A file in a job's folder, under a temporary name until it is complete. Nothing touches the disk before the first 256 KiB are
 * there, or `finish`. What is passed to `write` is copied: the caller may use it again as soon as `write` lets it go on.
 */
export class DiskSink implements FileSink {
  readonly #folders: Folders
  readonly #jobId: string
  readonly #name: string
  readonly #turns: Turns
  readonly #hash = createHash('sha256')
  #state: 'open' | 'finishing' | 'ended' = 'open'
  #ending: Promise<unknown> = Promise.resolve()
  #handle: FileHandle | null = null
  #touchedDisk = false
  #filling: Buffer | null = null
  #filledBytes = 0
  #spare: Buffer | null = null
  #handedOverBytes = 0
  #syncedBytes = 0
  /** The sync under way, if any. Never rejects, as above: a disk tells of a failed sync once, so that the last one may not. */
  #syncing: Promise<void> | null = null
  /** The write under way, if any. Never rejects: what goes wrong is told by `#failure`. */
  #inFlight: Promise<void> | null = null
  #isWaiting = false
  #failure: { error: unknown } | null = null

  constructor(folders: Folders, turns: Turns, jobId: string, label: string) {
    this.#folders = folders
    this.#turns = turns
    this.#jobId = checkName(jobId)
    this.#name = `${checkName(label)}-${randomSuffix()}`
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#state !== 'open') return Promise.reject(new Error('a write to a file that has ended'))
    if (this.#isWaiting) return Promise.reject(new Error('a write before the one before it was through'))
    if (this.#failure !== null) return Promise.reject(this.#failure.error)
    const turn = this.#turns(chunk.length)
    if (turn !== undefined) return this.#takeLater(chunk, turn)
    const takenBytes = this.#take(chunk)
    return takenBytes === chunk.length ? undefined : this.#takeLater(chunk.subarray(takenBytes), this.#inFlight)
  }

  async finish(): Promise<StoredFile> {
    if (this.#state !== 'open') throw new Error('the file has ended already')
    this.#state = 'finishing'
    const completing = this.#complete()
    this.#ending = completing
    try {
      return await completing
    } finally {
      this.#state = 'ended'
    }
  }

  async discard(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'ended'
      this.#ending = this.#clear()
    }
    try {
      await this.#ending
    } catch {
      // A `finish` that failed: it has told its own caller, and has left nothing.
    }
  }

  /** Copies as much as fits without waiting; returns how much. */
  #take(chunk: Uint8Array): number {
    let takenBytes = 0
    while (takenBytes < chunk.length) {
      this.#filling ??= Buffer.allocUnsafeSlow(bufferBytes)
      if (this.#filledBytes === bufferBytes && !this.#handOver(this.#filling)) break
      const piece = chunk.subarray(takenBytes, takenBytes + bufferBytes - this.#filledBytes)
      this.#filling?.set(piece, this.#filledBytes)
      this.#hash.update(piece)
      this.#filledBytes += piece.length
      takenBytes += piece.length
    }
    return takenBytes
  }

  /** Takes a chunk once `first` is over, and goes on as buffers get free. */
  async #takeLater(chunk: Uint8Array, first: Promise<void> | null): Promise<void> {
    this.#isWaiting = true
    try {
      await first
      for (let rest = chunk; ; await this.#inFlight) {
        this.#throwFailure()
        if (this.#state !== 'open') throw new Error('the file was given up during a write')
        rest = rest.subarray(this.#take(rest))
        if (rest.length === 0) return
      }
    } finally {
      this.#isWaiting = false
    }
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error
  }

  /** Begins to write the full buffer and puts the other in its place; false while the other is still being written. */
  #handOver(full: Buffer): boolean {
    if (this.#inFlight !== null) return false
    this.#inFlight = this.#putInBackground(full)
    this.#filling = this.#spare ?? Buffer.allocUnsafeSlow(bufferBytes)
    this.#spare = null
    this.#filledBytes = 0
    return true
  }

  async #putInBackground(full: Buffer): Promise<void> {
    try {
      await this.#put(full)
      this.#spare = full
    } catch (error) {
      this.#failure = { error }
    } finally {
      this.#inFlight = null
    }
  }

  async #put(bytes: Buffer): Promise<void> {
    this.#touchedDisk = true
    this.#handle ??= await this.#folders.openNew(this.#jobId, partName(this.#name))
    for (let doneBytes = 0; doneBytes < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, doneBytes, bytes.length - doneBytes, this.#handedOverBytes)
      doneBytes += bytesWritten
      this.#handedOverBytes += bytesWritten
    }
    if (this.#syncing === null && this.#handedOverBytes - this.#syncedBytes >= unsyncedBytes)
      this.#syncing = this.#syncInBackground(this.#handle)
  }

  async #syncInBackground(handle: FileHandle): Promise<void> {
    this.#syncedBytes = this.#handedOverBytes
    try {
      await handle.datasync()
    } catch (error) {
      this.#failure = { error }
    } finally {
      this.#syncing = null
    }
  }

  async #complete(): Promise<StoredFile> {
    try {
      await this.#inFlight
      this.#throwFailure()
      const last = this.#filling?.subarray(0, this.#filledBytes) ?? Buffer.alloc(0)
      await this.#put(last)
      // Named so that no other write can come between: nothing but `#put` opens the file.
      const handle = this.#handle
      if (handle === null) throw new Error('the file was not opened')
      await this.#syncing
      this.#throwFailure()
      await handle.datasync()
      const file = await this.#describe(await this.#head(handle, last))
      await this.#close()
      await rename(this.#pathOf(partName(this.#name)), this.#pathOf(this.#name))
      await this.#folders.makeDurable(this.#jobId)
      return file
    } catch (error) {
      await this.#clear()
      throw error
    } finally {
      this.#freeBuffers()
    }
  }

  /** The file's beginning: still at hand where it is short, else read back. */
  async #head(handle: FileHandle, last: Buffer): Promise<Buffer> {
    if (last.length === this.#handedOverBytes) return last.subarray(0, pictureHeadBytes)
    const buffer = this.#spare ?? Buffer.allocUnsafeSlow(pictureHeadBytes)
    const { bytesRead } = await handle.read(buffer, 0, pictureHeadBytes, 0)
    return buffer.subarray(0, bytesRead)
  }

  /** To be called when all of the file can be read at its temporary name. */
  async #describe(head: Buffer): Promise<StoredFile> {
    const contentType = contentTypeOf(head)
    const isKnown = contentType.startsWith('image/')
    const look = isTaken(contentType) ? null : lookOf(head, contentType)
    const size = isKnown ? (shownSizeInHead(head) ?? (await shownSizeOf(this.#pathOf(partName(this.#name))))) : null
    return {
      name: this.#name,
      sizeBytes: this.#handedOverBytes,
      sha256: this.#hash.digest('hex'),
      contentType,
      width: size?.width ?? null,
      height: size?.height ?? null,
      ...(look === null ? {} : { look }),
    }
  }

  /** Leaves nothing behind. Never rejects: what can't be removed now is for the sweep, by its temporary name or as an orphan. */
  async #clear(): Promise<void> {
    await this.#inFlight
    await this.#syncing
    this.#freeBuffers()
    if (!this.#touchedDisk) return
    await this.#close().catch(() => {})
    await rm(this.#pathOf(partName(this.#name)), { force: true }).catch(() => {})
    await rm(this.#pathOf(this.#name), { force: true }).catch(() => {})
    await this.#folders.dropIfEmpty(this.#jobId)
  }

  /** To be called when no write is under way. */
  #freeBuffers(): void {
    for (const buffer of [this.#filling, this.#spare]) if (buffer !== null) giveBack(buffer)
    this.#filling = null
    this.#spare = null
  }

  async #close(): Promise<void> {
    const handle = this.#handle
    this.#handle = null
    if (handle === null) return
    try {
      await handle.close()
    } finally {
      this.#folders.closed(this.#jobId)
    }
  }

  #pathOf(name: string): string {
    return join(this.#folders.pathOf(this.#jobId), name)
  }
}
