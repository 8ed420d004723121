import type { Blobs, Log } from '../domain/ports.ts'
import { makeGate, openPicture } from '../files/decoder.ts'
import type { PictureFile } from './pictures.ts'

export const widths: readonly number[] = [160, 320, 640, 1_280]

export type Smaller = {
  /** A picture in a smaller width, kept for the next time; null where it is no wider, or no picture that can be read within 10 s. */
  path(jobId: string, file: PictureFile, width: number): Promise<string | null>
}

export const smallerType = 'image/webp'
const madeAtOnce = 2
/** Of work in libvips, once a thread is free. What any model makes takes one or two. */
const shrinkTimeoutS = 10

export function makeSmaller({ blobs, log }: { blobs: Blobs; log: Log }): Smaller {
  const gate = makeGate(madeAtOnce)
  /** A page that shows a picture twice has it made once. */
  const underWay = new Map<string, Promise<string>>()

  async function shrink(from: string, to: string, width: number): Promise<void> {
    const picture = await openPicture(from)
    await picture
      .autoOrient()
      .resize({ width, withoutEnlargement: true })
      .webp({ quality: 82 })
      .timeout({ seconds: shrinkTimeoutS })
      .toFile(to)
  }

  return {
    async path(jobId, file, width) {
      if (file.width === null || file.width <= width) return null
      const key = `${jobId}/${file.file}/${width}`
      const make = (from: string, to: string): Promise<void> => gate(() => shrink(from, to, width))
      const running = underWay.get(key) ?? blobs.derive(jobId, file.file, `w${width}`, make).finally(() => underWay.delete(key))
      underWay.set(key, running)
      try {
        return await running
      } catch (error) {
        // Its bytes are no picture that sharp can read, or not in time, or there is no room for another: it is shown as it is.
        log.warn({ err: error, job: jobId, file: file.file, width }, 'picture.not_made_smaller')
        return null
      }
    },
  }
}
