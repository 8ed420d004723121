/**
 * The catalogue of models, as data: what each takes, its sizes, its price.
 * A name that is not here is passed on untouched.
 */

/** What a model does with the parameter `size`: checked here, passed on as it is, or ignored by the provider. */
export type SizeRule = 'checked' | 'passed' | 'ignored'

export type Model = {
  id: string
  /** Image URLs in a JSON body. */
  takesJsonUrls: boolean
  /** One image URL as a text field of a multipart form. */
  takesFormUrl: boolean
  takesMask: boolean
  maxImages: number
  /** `native`: one submit makes n pictures. `ignored`: one picture a submit, so that n pictures are n tasks. */
  n: 'native' | 'ignored'
  size: SizeRule
  /** The provider ignores everything but model, prompt and image. */
  ignoresParams: boolean
  returns: 'url' | 'b64_json' | 'either'
  /** Credits for one task; null where the provider's price list names none. */
  credits: number | null
}

/** As many images as any model takes in one request. */
export const maxImagesPerRequest = 16

const gptImage: Omit<Model, 'id'> = {
  takesJsonUrls: false,
  takesFormUrl: false,
  takesMask: true,
  maxImages: maxImagesPerRequest,
  n: 'ignored',
  size: 'passed',
  ignoresParams: false,
  returns: 'b64_json',
  credits: null,
}

const nanoBanana: Omit<Model, 'id' | 'credits'> = {
  takesJsonUrls: false,
  takesFormUrl: true,
  takesMask: false,
  maxImages: maxImagesPerRequest,
  n: 'ignored',
  size: 'ignored',
  ignoresParams: true,
  returns: 'url',
}

export const defaultModel = 'gpt-image-2'

export const models: readonly Model[] = [
  { ...gptImage, id: 'gpt-image-2', takesJsonUrls: true, size: 'checked', returns: 'url' },
  { ...gptImage, id: 'gpt-image-1' },
  { ...gptImage, id: 'gpt-image-1.5' },
  { ...gptImage, id: 'dall-e-2', maxImages: 1, n: 'native', returns: 'either' },
  { ...nanoBanana, id: 'nano-banana', credits: 0.14 },
  { ...nanoBanana, id: 'nano-banana-2', credits: 0.28 },
  { ...nanoBanana, id: 'nano-banana-pro', credits: 0.35 },
  // Newer names. What they take is documented for some of it only: files are what each of their families takes.
  { ...gptImage, id: 'gpt-image-2.5-flare' },
  { ...gptImage, id: 'gpt-image-2.5-sunburst' },
  { ...gptImage, id: 'chatgpt-image-latest' },
  { ...gptImage, id: 'dall-e-3' },
  { ...nanoBanana, id: 'nano-banana-2-lite', credits: null },
]

/** A variant of a model, such as `gpt-image-2:official`, takes what the model takes; its price may be another. */
const variant = /:[\w.-]+$/

/** The model of that name, or of the name before its variant; undefined for one that the catalogue does not know. */
export function findModel(id: string): Model | undefined {
  const name = id.replace(variant, '')
  return models.find(model => model.id === name)
}

/** What the models are counted as that the catalogue does not know: clients may invent any number of them. */
export const otherModels = 'other'

/** What a model is counted as: its name, or `other`. */
export function countedAs(id: string): string {
  return findModel(id)?.id ?? otherModels
}

export type SizePreset = { ratio: string; resolution: '1K' | '2K' | '4K'; size: string; multiplier: number }

function presets(ratio: string, oneK: string, twoK: string, fourK: string): SizePreset[] {
  return [
    { ratio, resolution: '1K', size: oneK, multiplier: 1 },
    { ratio, resolution: '2K', size: twoK, multiplier: 1.5 },
    { ratio, resolution: '4K', size: fourK, multiplier: 1.5 },
  ]
}

/** The sizes of gpt-image-2 that the provider names, with their price relative to a 1K picture. */
export const sizePresets: readonly SizePreset[] = [
  ...presets('1:1', '1024x1024', '2048x2048', '2880x2880'),
  ...presets('4:3', '1536x1024', '2048x1536', '3264x2448'),
  ...presets('3:4', '1024x1536', '1536x2048', '2448x3264'),
  ...presets('16:9', '1792x1024', '2048x1152', '3840x2160'),
  ...presets('9:16', '1024x1792', '1152x2048', '2160x3840'),
]

/** Sizes in which pictures really come back; accepted although they are no multiples of 16. */
export const sizeAliases: readonly string[] = ['1254x1254', '1672x941', '941x1672']

export const sideStep = 16
export const maxSide = 3840
export const maxPixels = 8_294_400

/** Bounds that the provider's page does not have, but its sister's: what is beyond them may be refused there, unbilled. */
export const leastPixels = 655_360
export const mostRatio = 3

/** What to say of a size that may be refused, of a model whose sizes are checked; null if there is nothing to say. */
export function sizeDoubt(size: string): string | null {
  const [width, height] = size.split('x').map(Number)
  if (width === undefined || height === undefined || !(width > 0) || !(height > 0) || sizeAliases.includes(size)) return null
  if (width * height < leastPixels) return `size ${size} has fewer than ${leastPixels} pixels: the provider may refuse it`
  const isLong = Math.max(width, height) > mostRatio * Math.min(width, height)
  return isLong ? `size ${size} is longer than ${mostRatio}:1: the provider may refuse it` : null
}

/** What is wrong with a size of a model whose sizes are checked; null where it is good. Empty and `auto` are good. */
export function sizeProblem(size: string): string | null {
  if (size === '' || size === 'auto' || sizeAliases.includes(size)) return null
  const match = /^(0|[1-9]\d{0,8})x(0|[1-9]\d{0,8})$/.exec(size)
  if (match === null) return "size must be 'auto' or WIDTHxHEIGHT, such as 1024x1536"
  const width = Number(match[1])
  const height = Number(match[2])
  if (width % sideStep !== 0 || height % sideStep !== 0 || width < sideStep || height < sideStep)
    return `size: both sides must be multiples of ${sideStep}, ${sideStep} at least`
  if (Math.max(width, height) > maxSide) return `size: the long side must be ${maxSide} at most`
  if (width * height > maxPixels) return `size: width times height must be ${maxPixels} at most`
  return null
}

/** The price of a task in this size, relative to a 1K picture. Only models whose sizes are checked have a price by size. */
export function priceMultiplier(model: string, size: string | undefined): number {
  if (findModel(model)?.size !== 'checked') return 1
  if (size === undefined || size === '' || size === 'auto' || sizeAliases.includes(size)) return 1
  return sizePresets.find(preset => preset.size === size)?.multiplier ?? 1.5
}

/** Credits for so many tasks; null where the price of the model is not known. */
export function credits(model: string, tasks: number): number | null {
  // The price list names no variants.
  const each = models.find(({ id }) => id === model)?.credits ?? null
  return each === null ? null : Math.round(each * tasks * 1e6) / 1e6
}

/** What the encoder needs to know of one picture that was sent in. */
export type EncodableInput = { role: 'image' | 'mask'; url: string | null }

export type Encoding = {
  body: 'json' | 'multipart'
  /** For each input, in order: whether it has to go as a file, so that one given by URL has to be fetched first. */
  asFile: readonly boolean[]
}

/**
 * How a request goes to the provider: JSON where the model takes every picture by URL, else a multipart form.
 * An unknown model is sent what we were sent.
 */
export function encodingFor(modelId: string, inputs: readonly EncodableInput[]): Encoding {
  const byUrl = inputs.map(input => input.url !== null)
  const allByUrl = byUrl.every(Boolean)
  const model = findModel(modelId)
  if (model === undefined) return { body: allByUrl ? 'json' : 'multipart', asFile: byUrl.map(url => !url) }
  const masked = inputs.some(input => input.role === 'mask')
  if (model.takesJsonUrls && allByUrl && !masked) return { body: 'json', asFile: byUrl.map(() => false) }
  if (model.takesFormUrl && allByUrl && inputs.length === 1) return { body: 'multipart', asFile: [false] }
  return { body: 'multipart', asFile: byUrl.map(() => true) }
}
