import type { FileSink, StoredFile } from '../../src/domain/ports.ts'

/** A sink in memory that says how it ended, and throws where it is used wrongly. */
export class MemorySink implements FileSink {
  state: 'open' | 'finished' | 'discarded' = 'open'
  readonly chunks: Uint8Array[] = []

  get text(): string {
    return Buffer.concat(this.chunks).toString()
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.state !== 'open') throw new Error(`write to a sink that is ${this.state}`)
    this.chunks.push(Uint8Array.from(chunk))
    return undefined
  }

  async finish(): Promise<StoredFile> {
    this.end('finished')
    const sizeBytes = Buffer.concat(this.chunks).length
    return { name: 'out-0', sizeBytes, sha256: '0'.repeat(64), contentType: 'image/png', width: null, height: null }
  }

  async discard(): Promise<void> {
    this.end('discarded')
  }

  private end(state: 'finished' | 'discarded'): void {
    if (this.state !== 'open') throw new Error(`${state}, but was ${this.state} already`)
    this.state = state
  }
}
