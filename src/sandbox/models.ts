/** What a model takes and gives, as the provider's table has it. */
export type ModelRules = {
  /** Takes a JSON body with image URLs. */
  readonly json: boolean
  /** Takes a text field `image` with a URL in a form. */
  readonly formUrl: boolean
  readonly maxImages: number
  /** `checked`: by gpt-image-2's rules; `passed`: used where it makes sense; `ignored`: the input's own size. */
  readonly size: 'checked' | 'passed' | 'ignored'
  readonly mask: boolean
  /** Makes `n` pictures itself. */
  readonly nativeN: boolean
  readonly returns: 'url' | 'b64_json' | 'as_asked'
  /** Honours `output_format`; what it gives otherwise is `format`. */
  readonly outputFormat: boolean
  readonly format: PictureFormat
  /** Answers on a held connection without `success` and `task_id`, and with `created` 0. */
  readonly bare: boolean
  /** The type of its records: it names what works on it. */
  readonly recordType: 'images' | 'images_edits' | 'images_generations'
}

export type PictureFormat = 'png' | 'jpeg' | 'webp'
export type PictureSize = { readonly width: number; readonly height: number }

const filesOnly: ModelRules = {
  json: false,
  formUrl: false,
  maxImages: 16,
  size: 'passed',
  mask: true,
  nativeN: false,
  returns: 'b64_json',
  outputFormat: true,
  format: 'png',
  bare: false,
  recordType: 'images_edits',
}
const banana: ModelRules = {
  ...filesOnly,
  formUrl: true,
  size: 'ignored',
  mask: false,
  returns: 'url',
  outputFormat: false,
  format: 'jpeg',
  bare: true,
  recordType: 'images_generations',
}
const unknown: ModelRules = {
  ...filesOnly,
  json: true,
  formUrl: true,
  maxImages: Number.POSITIVE_INFINITY,
  size: 'ignored',
  returns: 'url',
  outputFormat: false,
  recordType: 'images',
}

const known: ReadonlyMap<string, ModelRules> = new Map([
  ['gpt-image-2', { ...filesOnly, json: true, size: 'checked', returns: 'url', recordType: 'images' }],
  ['gpt-image-1', filesOnly],
  ['gpt-image-1.5', filesOnly],
  ['dall-e-2', { ...filesOnly, maxImages: 1, nativeN: true, returns: 'as_asked', outputFormat: false }],
  ['nano-banana', banana],
  ['nano-banana-2', banana],
  ['nano-banana-pro', banana],
  ['gpt-image-2.5-flare', filesOnly],
  ['gpt-image-2.5-sunburst', filesOnly],
  ['chatgpt-image-latest', filesOnly],
  ['dall-e-3', filesOnly],
  ['nano-banana-2-lite', banana],
])

/** The rules of a model, or of the one that it is a variant of (`NAME:variant`); one that is not known takes anything. */
export function rulesOf(model: string): ModelRules {
  return known.get(model.replace(/:[\w.-]+$/, '')) ?? unknown
}

const aliases: readonly string[] = ['1254x1254', '1672x941', '941x1672']
const maxSide = 3840
const maxPixels = 8_294_400

/** `WIDTHxHEIGHT` as numbers; null for anything else. */
export function parseSize(text: unknown): PictureSize | null {
  const match = typeof text === 'string' ? /^([1-9]\d{0,4})x([1-9]\d{0,4})$/.exec(text) : null
  return match ? { width: Number(match[1]), height: Number(match[2]) } : null
}

/** Whether the sandbox is willing to make a picture of this size at all. */
export function isBounded({ width, height }: PictureSize): boolean {
  return Math.max(width, height) <= maxSide && width * height <= maxPixels
}

/** What is wrong with a gpt-image-2 `size`, in the provider's words; null where nothing is. */
export function sizeProblem(size: unknown): string | null {
  if (size === undefined || size === null || size === '' || size === 'auto') return null
  const parsed = parseSize(size)
  if (parsed === null) return 'size must be auto or WIDTHxHEIGHT'
  if (aliases.includes(`${parsed.width}x${parsed.height}`)) return null
  if (parsed.width % 16 !== 0 || parsed.height % 16 !== 0) return 'size width and height must be multiples of 16'
  if (Math.max(parsed.width, parsed.height) > maxSide) return `size must not be longer than ${maxSide} on a side`
  if (parsed.width * parsed.height > maxPixels) return `size must not have more than ${maxPixels} pixels`
  return null
}
