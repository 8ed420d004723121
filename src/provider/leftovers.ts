import type { Blobs, StoredFile } from '../domain/ports.ts'
import type { Result } from '../domain/result.ts'

/** The pictures of a result that are files already. */
function filesOf(result: Result): StoredFile[] {
  return result.kind === 'succeeded' ? result.images.map(image => image.file).filter(file => file !== null) : []
}

/** Removes the pictures of an answer that none of its results has. Never rejects: what stays, the sweep finds. */
export async function discardUnused(
  blobs: Blobs,
  folder: string,
  files: readonly StoredFile[],
  results: readonly Result[],
): Promise<void> {
  if (files.length === 0) return
  const used = new Set(results.flatMap(filesOf))
  const unused = files.filter(file => !used.has(file))
  await Promise.allSettled(unused.map(file => blobs.remove(folder, file.name)))
}
