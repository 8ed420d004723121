import sharp from 'sharp'

/** A picture in one colour. */
export async function picture(
  options: { width?: number; height?: number; colour?: string; format?: 'png' | 'jpeg' | 'webp' | 'gif' | 'avif' } = {},
): Promise<Buffer> {
  const { width = 32, height = 24, colour = '#f4efe6', format = 'png' } = options
  return sharp({ create: { width, height, channels: 3, background: colour } })
    .toFormat(format)
    .toBuffer()
}

/** A valid PNG of exactly so many bytes: what follows its last chunk is not looked at. */
export async function pictureOfSize(sizeBytes: number): Promise<Buffer> {
  const start = await picture()
  if (start.length > sizeBytes) throw new RangeError(`a picture has ${start.length} bytes at least`)
  const whole = Buffer.alloc(sizeBytes, 0xa5)
  start.copy(whole)
  return whole
}

export const dataUrl = (bytes: Buffer, type = 'image/png'): string => `data:${type};base64,${bytes.toString('base64')}`
