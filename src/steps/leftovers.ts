import type { Blobs, StoredFile } from '../domain/ports.ts'
import type { Result } from '../domain/result.ts'

/** Removes the files of a result that no row names: all of one that was not kept. */
export async function discardUnused(blobs: Blobs, jobId: string, result: Result, kept: boolean): Promise<void> {
  if (kept || result.kind !== 'succeeded') return
  await discardFiles(
    blobs,
    jobId,
    result.images.map(image => image.file).filter(file => file !== null),
  )
}

/** Removes files that turned out to be nobody's. */
export async function discardFiles(blobs: Blobs, jobId: string, files: readonly StoredFile[]): Promise<void> {
  await Promise.all(files.map(file => blobs.remove(jobId, file.name)))
}
