import type { Sharp, SharpOptions } from 'sharp'
import type { PixelSize } from './picture.ts'

/** A decoded picture takes four bytes a pixel; the largest that any model makes has 8.3 million. */
const maxDecodedPixels = 50_000_000
/** Headers alone cost the same whatever they say. */
const maxStatedPixels = 1_000_000_000
const headersAtOnce = 2
const headerTimeoutMs = 10_000

/** Opens a picture's file. The decoder is loaded at its first use: a service that never needs it does without its memory. */
async function open(path: string, options: SharpOptions): Promise<Sharp> {
  const { default: sharp } = await import('sharp')
  return sharp(path, options)
}

/** Opens a picture's file to be decoded, whole. One that is too large for that fails as it is used. */
export function openPicture(path: string): Promise<Sharp> {
  return open(path, { limitInputPixels: maxDecodedPixels })
}

/** Runs so many at once; the others wait in line. */
export function makeGate(places: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = places
  const waiting: (() => void)[] = []
  return async work => {
    if (free > 0) free -= 1
    else await new Promise<void>(resolve => waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
}

const headerGate = makeGate(headersAtOnce)

/**
 * The size in pixels at which a picture is shown, orientation and clean aperture applied, as the decoder reads it from the whole
 * file; its pixels are not decoded. Null where it cannot be read within 10 s. Never rejects.
 */
export function shownSizeOf(path: string): Promise<PixelSize | null> {
  return headerGate(async () => {
    let timer: NodeJS.Timeout | undefined
    const tooLong = new Promise<null>(resolve => {
      timer = setTimeout(() => resolve(null), headerTimeoutMs)
    })
    try {
      return await Promise.race([readShownSize(path), tooLong])
    } finally {
      clearTimeout(timer)
    }
  })
}

async function readShownSize(path: string): Promise<PixelSize | null> {
  try {
    const picture = await open(path, { limitInputPixels: maxStatedPixels, failOn: 'none' })
    const { width, height } = (await picture.metadata()).autoOrient
    return { width, height }
  } catch {
    // Hostile or broken, it is kept as it is, and has no size.
    return null
  }
}
