import { isBounded, type ModelRules, type PictureFormat, type PictureSize, parseSize, rulesOf, sizeProblem } from './models.ts'
import type { Input, Received } from './receive.ts'
import { badRequest, type Refusal } from './refusal.ts'

/** A submit that the provider takes: what to make, and where the result goes. */
export type Order = {
  readonly kind: 'order'
  readonly model: string
  readonly rules: ModelRules
  readonly prompt: string
  readonly images: readonly Input[]
  readonly mask: Input | null
  readonly pictures: number
  /** null: the input's own size. */
  readonly size: PictureSize | null
  readonly format: PictureFormat
  /** 1 to 100, for the formats that lose; null: as the encoder has it. */
  readonly quality: number | null
  readonly asBase64: boolean
  readonly callbackUrl: string | null
  readonly async: boolean
  /** The submit's own; null where it has none. */
  readonly traceId: string | null
  /** What a task record echoes: JSON. */
  readonly echo: string
}

/** Checks a submit as the provider is documented to, and no further. */
export function readOrder(received: Received): Order | Refusal {
  const { fields, images } = received
  if (received.problem !== null) return badRequest(received.problem)
  const model = wordOf(fields['model'])
  const prompt = wordOf(fields['prompt'])
  if (model === '') return badRequest('model is required')
  if (prompt === '') return badRequest('prompt is required')
  const rules = rulesOf(model)
  const problem = inputProblem(received, model, rules) ?? fieldProblem(fields, model, rules)
  if (problem !== null) return badRequest(problem)
  const echo = echoOf(received)
  if (echo === null) return badRequest('the body is nested too deeply')
  const size = rules.size === 'ignored' ? null : parseSize(fields['size'])
  return {
    kind: 'order',
    model,
    rules,
    prompt,
    images,
    mask: rules.mask && received.mask?.kind === 'file' ? received.mask : null,
    pictures: rules.nativeN ? (countOf(fields['n']) ?? 1) : 1,
    size: size !== null && isBounded(size) ? size : null,
    format: rules.outputFormat ? formatOf(fields['output_format']) : rules.format,
    quality: qualityOf(fields['output_compression']),
    asBase64: rules.returns === 'b64_json' || (rules.returns === 'as_asked' && fields['response_format'] === 'b64_json'),
    callbackUrl: callbackUrlOf(fields),
    async: isAsync(fields),
    traceId: traceIdOf(fields),
    echo,
  }
}

/** Where a submit wants its result; null where it does not say. */
export function callbackUrlOf(fields: Received['fields']): string | null {
  return wordOf(fields['callback_url']) || null
}

/** What a submit wants to be known by; null where it does not say. */
export function traceIdOf(fields: Received['fields']): string | null {
  return wordOf(fields['trace_id']) || null
}

/** Whether a submit asks to be answered before its result is there: `true`, or the text of it in a form. */
export function isAsync(fields: Received['fields']): boolean {
  return fields['async'] === true || fields['async'] === 'true'
}

/** A field's text without the space around it; empty where it is no text. */
export function wordOf(value: unknown): string {
  return typeof value === 'string' ? value.trim() : ''
}

function inputProblem({ via, images }: Received, model: string, rules: ModelRules): string | null {
  if (via === 'json' && !rules.json) return `${model} takes multipart/form-data, not JSON`
  if (images.length === 0) return 'image is required'
  if (images.length > rules.maxImages) return `${model} takes ${rules.maxImages} image${rules.maxImages === 1 ? '' : 's'} at most`
  if (via === 'form' && !rules.formUrl && images.some(image => image.kind === 'url'))
    return `${model} takes image as a file in a form`
  return null
}

function fieldProblem(fields: Received['fields'], model: string, rules: ModelRules): string | null {
  if (rules.nativeN && countOf(fields['n']) === null) return `${model} takes n from 1 to 10`
  return rules.size === 'checked' ? sizeProblem(fields['size']) : null
}

/** `n` as a number or the text of one; 1 where it is absent, null where it is out of range. */
function countOf(n: unknown): number | null {
  if (n === undefined || n === null || n === '') return 1
  if (typeof n !== 'number' && !(typeof n === 'string' && /^\d+$/.test(n))) return null
  const count = Number(n)
  return Number.isInteger(count) && count >= 1 && count <= 10 ? count : null
}

function formatOf(format: unknown): PictureFormat {
  return format === 'jpeg' || format === 'webp' ? format : 'png'
}

function qualityOf(compression: unknown): number | null {
  const quality = typeof compression === 'number' || wordOf(compression) !== '' ? Number(compression) : Number.NaN
  return Number.isInteger(quality) && quality >= 1 && quality <= 100 ? quality : null
}

/** null where the body is nested so deeply that it cannot be written as JSON again. */
function echoOf({ fields, images, mask }: Received): string | null {
  const shown = images.map(image => (image.kind === 'url' ? image.url : '<file>'))
  const shownMask = mask === null ? undefined : mask.kind === 'url' ? mask.url : '<file>'
  try {
    return JSON.stringify({ ...fields, image: shown.length === 1 ? shown[0] : shown, mask: shownMask })
  } catch {
    return null
  }
}
