import type { OverlayOptions, Sharp } from 'sharp'
import type { PictureFormat, PictureSize } from './models.ts'

/** One picture to be made out of another. */
export type Edit = {
  readonly inputPath: string
  readonly maskPath: string | null
  readonly prompt: string
  /** null: the input's own, 1024 on the long side at most. */
  readonly size: PictureSize | null
  readonly format: PictureFormat
  readonly quality: number | null
  /** 0 for the first picture of a task: each further one bears a small mark of its own. */
  readonly variation: number
  readonly outputPath: string
}

type Raw = { readonly data: Buffer; readonly raw: { readonly width: number; readonly height: number; readonly channels: 1 | 4 } }

const defaultLongSide = 1024
const maxInputPixels = 100_000_000
/** Not SVG and the like: those could make the decoder read more than the picture. */
const inputFormats: readonly string[] = ['png', 'jpeg', 'webp', 'gif', 'avif', 'heif', 'tiff']

const effects: readonly { readonly words: RegExp; readonly apply: (picture: Sharp) => Sharp }[] = [
  { words: /\b(dark|invert)/i, apply: picture => picture.negate({ alpha: false }) },
  { words: /\b(gr[ea]y|black and white)/i, apply: picture => picture.greyscale().toColourspace('srgb') },
  { words: /\bblur/i, apply: picture => picture.blur(8) },
  { words: /\b(mirror|flip)/i, apply: picture => picture.flop() },
  { words: /\brotat/i, apply: picture => picture.rotate(180) },
]

/** Loaded with the first picture: an idle sandbox does without its memory. */
async function openPicture(path: string): Promise<Sharp> {
  const { default: sharp } = await import('sharp')
  return sharp(path, { limitInputPixels: maxInputPixels })
}

/** The size of a picture as it is meant to be looked at. Rejects where it is none that the sandbox takes. */
export async function measure(path: string): Promise<PictureSize> {
  const { format, autoOrient } = await (await openPicture(path)).metadata()
  if (format === undefined || !inputFormats.includes(format)) throw new Error('the image is of a kind that is not taken')
  return autoOrient
}

/** Makes the picture and writes it to `outputPath`. Rejects where the input or the mask cannot be decoded. */
export async function render(edit: Edit): Promise<void> {
  const size = edit.size ?? shrink(await measure(edit.inputPath))
  const base = (await openPicture(edit.inputPath))
    .autoOrient()
    .resize(size.width, size.height, { fit: 'cover' })
    .toColourspace('srgb')
  const edited = applyEdit(base.clone(), edit, size)
  const picture = edit.maskPath === null ? edited : await limitToMask(base, edited, edit.maskPath, size)
  await encode(picture, edit).toFile(edit.outputPath)
}

function shrink({ width, height }: PictureSize): PictureSize {
  const scale = Math.min(1, defaultLongSide / Math.max(width, height))
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) }
}

function applyEdit(picture: Sharp, { prompt, variation }: Edit, size: PictureSize): Sharp {
  const effect = effects.find(({ words }) => words.test(prompt))
  const overlays: OverlayOptions[] = []
  if (!effect) overlays.push(drawing(size, '<path d="M0 100L100 0" stroke="#e0218a" stroke-width="12" opacity="0.8"/>'))
  if (variation > 0) overlays.push(drawing(size, `<rect width="12" height="12" fill="hsl(${variation * 36} 90% 50%)"/>`))
  return (effect?.apply(picture) ?? picture).composite(overlays)
}

/** A drawing on a canvas of 100 by 100, stretched over the picture. */
function drawing({ width, height }: PictureSize, shapes: string): OverlayOptions {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 100 100" preserveAspectRatio="none">`
  return { input: Buffer.from(`${head}${shapes}</svg>`) }
}

/** The edit where the mask is transparent, the picture as it was elsewhere. */
async function limitToMask(base: Sharp, edited: Sharp, maskPath: string, { width, height }: PictureSize): Promise<Sharp> {
  const { default: sharp } = await import('sharp')
  await measure(maskPath)
  const mask = (await openPicture(maskPath)).autoOrient().resize(width, height, { fit: 'fill' }).ensureAlpha()
  const reach = await pixels(
    sharp(await mask.png().toBuffer())
      .extractChannel('alpha')
      .negate(),
  )
  const top = await pixels(edited.ensureAlpha())
  const bottom = await pixels(base.ensureAlpha())
  const { data: colours } = await sharp(top.data, { raw: top.raw }).removeAlpha().raw().toBuffer({ resolveWithObject: true })
  const cut = sharp(colours, { raw: { width, height, channels: 3 } }).joinChannel(reach.data, { raw: reach.raw })
  const overlay = await pixels(cut)
  return sharp(bottom.data, { raw: bottom.raw }).composite([{ input: overlay.data, raw: overlay.raw }])
}

async function pixels(picture: Sharp): Promise<Raw> {
  const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true })
  return { data, raw: { width: info.width, height: info.height, channels: info.channels === 1 ? 1 : 4 } }
}

function encode(picture: Sharp, { format, quality }: Edit): Sharp {
  const lossy = quality === null ? {} : { quality }
  switch (format) {
    case 'jpeg':
      return picture.flatten({ background: 'white' }).jpeg(lossy)
    case 'webp':
      return picture.webp(lossy)
    case 'png':
      return picture.png()
    default:
      return format satisfies never
  }
}
