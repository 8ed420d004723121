import type { Sharp } from 'sharp'
import { makeGate, openPicture } from './decoder.ts'
import type { PixelSize } from './picture.ts'

/** What is decoded takes four bytes a pixel: so many at once. */
const gate = makeGate(2)
const workTimeoutS = 20

export type MaskFacts = {
  isPng: boolean
  hasAlpha: boolean
  /** It is stored in another orientation than it is shown in. */
  isTurned: boolean
  /** As it is stored. */
  stored: PixelSize
  /** As it is shown. */
  shown: PixelSize
}

/** What a picture's header says, as the decoder reads it. Null if it can't be read, or has more than 50 megapixels. */
export function factsOf(path: string): Promise<MaskFacts | null> {
  return gate(async () => {
    try {
      const { format, hasAlpha, orientation = 1, width, height, autoOrient } = await (await openPicture(path)).metadata()
      const shown = { width: autoOrient.width, height: autoOrient.height }
      return { isPng: format === 'png', hasAlpha, isTurned: orientation > 1, stored: { width, height }, shown }
    } catch {
      return null
    }
  })
}

/**
 * A mask as a PNG of at most so many bytes, with the same alpha in the same places; its colours go if it must be smaller. Null if it
 * can't be decoded, or cannot be made so small.
 */
export function asPng(path: string, maxBytes: number): Promise<Buffer | null> {
  return gate(async () => {
    try {
      const whole = await encode(await upright(path))
      if (whole.length <= maxBytes) return whole
      const { data, info } = await (await upright(path))
        .ensureAlpha()
        .extractChannel('alpha')
        .raw()
        .toBuffer({ resolveWithObject: true })
      const { width, height } = info
      const { default: sharp } = await import('sharp')
      const black = sharp({ create: { width, height, channels: 3, background: 'black' } })
      const bare = await encode(black.joinChannel(data, { raw: { width, height, channels: 1 } }))
      return bare.length <= maxBytes ? bare : null
    } catch {
      return null
    }
  })
}

async function upright(path: string): Promise<Sharp> {
  return (await openPicture(path)).autoOrient()
}

function encode(picture: Sharp): Promise<Buffer> {
  // At level 9 noise takes ten times as long, and comes out hardly smaller.
  return picture.png({ compressionLevel: 6 }).timeout({ seconds: workTimeoutS }).toBuffer()
}
