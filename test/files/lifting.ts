import { readFile } from 'node:fs/promises'
import type { FileSink, StoredFile } from '../../src/domain/ports.ts'
import { type Disk, openDisk } from '../../src/files/disk.ts'
import { type LiftAs, LiftError, type Lifted, type LiftOptions, liftJson } from '../../src/files/lift.ts'
import { everythingIn, newFolder, rejection } from './folder.ts'
import { type Canonical, canonical } from './oracle.ts'

/** What `read` makes of a picture that says hello. */
export const hello: Canonical = { picture: Buffer.from('hello').toString('hex') }

/** What `read` makes of an object with one member. */
export function only(key: string, value: Canonical): Canonical {
  return { object: [[key, value]] }
}

/** What the tests take for pictures: by the innermost key. */
export function selectByKey(path: readonly string[]): LiftAs {
  const key = path.at(-1)
  if (key === 'b64_json') return 'base64'
  if (key === 'image') return 'data_url'
  return key === 'either' ? 'either' : null
}

export type Bench = {
  root: string
  disk: Disk
  /** Lifts a body in one chunk, or in those that are given, into the folder `job`. */
  lift(body: string | Buffer | Iterable<Buffer> | AsyncIterable<Uint8Array>, options?: Partial<LiftOptions>): Promise<Lifted>
  /** The error that lifting fails with, once it is known that nothing is left on the disk. */
  liftError(body: string | Buffer | Iterable<Buffer>, options?: Partial<LiftOptions>): Promise<LiftError>
  bytesOf(file: StoredFile | undefined): Promise<Buffer>
  /** What was lifted, with the pictures' bytes read from the disk; fails if anything else lies there. */
  read(lifted: Lifted): Promise<Canonical>
}

/** A disk of its own for each test. */
export async function newBench(): Promise<Bench> {
  const root = await newFolder()
  const disk = await openDisk(root)
  const lift: Bench['lift'] = (body, options) =>
    liftJson(chunksOf(body), {
      select: selectByKey,
      create: (): FileSink => disk.create('job', 'out'),
      remove: file => disk.remove('job', file.name),
      maxBodyBytes: 2 ** 26,
      maxJsonBytes: 2 ** 20,
      maxFileBytes: 2 ** 26,
      maxDepth: 64,
      keepRawBytes: 0,
      ...options,
    })
  const bytesOf: Bench['bytesOf'] = file => readFile(disk.pathOf('job', file?.name ?? 'none'))
  return {
    root,
    disk,
    lift,
    bytesOf,
    liftError: async (body, options) => {
      const error = await rejection(lift(body, options))
      if (!(error instanceof LiftError)) throw error
      if ((await everythingIn(root)).length > 0) throw new Error('something is left on the disk')
      return error
    },
    read: async lifted => {
      const pictures = new Map<string, string>()
      for (const file of lifted.files) pictures.set(file.name, (await bytesOf(file)).toString('hex'))
      const names = await disk.files('job')
      if (names.toSorted().join() !== [...pictures.keys()].toSorted().join()) throw new Error('not the files that were lifted')
      return canonical(lifted.value, text => {
        const file = lifted.file(text)
        return file === undefined ? text : { picture: pictures.get(file.name) ?? '' }
      })
    },
  }
}

async function* chunksOf(body: string | Buffer | Iterable<Buffer> | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (typeof body === 'string') yield Buffer.from(body)
  else if (Buffer.isBuffer(body)) yield body
  else yield* body
}
