import { isDiskFull, ServiceError } from '../domain/errors.ts'
import type { Blobs, StoredFile } from '../domain/ports.ts'
import type { Result } from '../domain/result.ts'
import type { JobStore } from '../domain/store.ts'

/** The pictures of a result that are files already. */
export function filesOf(result: Result): StoredFile[] {
  return result.kind === 'succeeded' ? result.images.map(image => image.file).filter(file => file !== null) : []
}

/**
 * Removes those of a job's files that no row names. The rows are asked, not the outcome of the write that was to name them: one
 * that was tried twice says "duplicate" of its own first try.
 */
export async function discardUnnamed(
  { store, blobs }: { store: Pick<JobStore, 'job'>; blobs: Blobs },
  jobId: string,
  files: readonly StoredFile[],
): Promise<void> {
  if (files.length === 0) return
  const job = await store.job(jobId)
  const named = new Set(job?.images.map(image => image.file))
  await Promise.all(files.filter(file => !named.has(file.name)).map(file => blobs.remove(jobId, file.name)))
}

/**
 * Whether a write that failed has left nothing. Of one that the store could not confirm nobody knows: it may be there after a
 * restart, and must have its files then.
 */
export function isCertainlyNotKept(error: unknown): boolean {
  return error instanceof ServiceError ? error.code === 'storage_full' : isDiskFull(error)
}
