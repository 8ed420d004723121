import type { Blobs } from '../domain/ports.ts'
import { maxResultPictures } from '../domain/result.ts'
import type { LiftOptions } from './lift.ts'

const mebibyte = 2 ** 20

/** A result without its pictures is small: prompts, ids, URLs, and an echo of the request. */
const maxResultJsonBytes = 4 * mebibyte
const maxNesting = 64
/** Where a URL belongs; `data` where the list of results is one of plain texts. */
const urlFields = new Set(['url', 'image_url', 'data'])

/** How pictures are taken out of whatever the provider sends: every `b64_json`, and every data: URL where a URL belongs. */
export function pictureOptions(blobs: Blobs, jobId: string, maxBodyBytes: number, keepRawBytes = 0): LiftOptions {
  return {
    select(path) {
      const key = path.at(-1) ?? ''
      if (key === 'b64_json') return 'either'
      return urlFields.has(key) ? 'data_url' : null
    },
    create: () => blobs.create(jobId, 'out'),
    remove: file => blobs.remove(jobId, file.name),
    maxBodyBytes,
    maxJsonBytes: maxResultJsonBytes,
    // What was paid for is taken whatever its size; the body's own limit bounds it.
    maxFileBytes: maxBodyBytes,
    maxFiles: maxResultPictures,
    maxDepth: maxNesting,
    // One of several may be a word, such as an error; the others were paid for.
    leavesBadEmpty: true,
    keepRawBytes,
  }
}
