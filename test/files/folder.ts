import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import type { StoredFile } from '../../src/domain/ports.ts'
import { type Disk, openDisk } from '../../src/files/disk.ts'

const made: string[] = []

/** A new folder that is removed after the test. */
export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'darkroom-files-'))
  made.push(folder)
  return folder
}

afterEach(async () => {
  for (const folder of made.splice(0)) await rm(folder, { recursive: true, force: true })
})

/** Everything below a folder, as sorted relative paths, folders included. */
export async function everythingIn(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).toSorted()
}

/** What a promise rejects with; fails where it doesn't. */
export async function rejection(promise: Promise<unknown> | undefined): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('did not reject')
}

export async function newDisk(): Promise<{ root: string; disk: Disk }> {
  const root = await newFolder()
  return { root, disk: await openDisk(root) }
}

/** Puts a file into a job's folder. */
export async function store(disk: Disk, jobId: string, bytes: Uint8Array): Promise<StoredFile> {
  const sink = disk.create(jobId, 'out')
  await sink.write(bytes)
  return sink.finish()
}

/** Bytes that differ from place to place. */
export function bytesOf(length: number): Buffer {
  const block = createHash('sha512').update(String(length)).digest()
  return Buffer.alloc(length, Buffer.concat([block, Buffer.from([length & 255])]))
}

export const aMegabyte = bytesOf(2 ** 20 + 13)
