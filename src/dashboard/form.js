// @ts-check
import { drop } from './picked.js'
import { makeState } from './state.js'

/** @typedef {import('./types.d.ts').Picked} Picked */
/** @typedef {import('./types.d.ts').Model} Model */
/**
 * What is being filled in. `pictureUrl`: typed, but not added yet. `others`: parameters of an earlier job that have no field here. `ratio`: '' is the model's own choice, `custom` what stands in `size`.
 * @typedef {{
 *   pictures: readonly Picked[], mask: Picked | null, prompt: string, model: string, isOtherModel: boolean,
 *   ratio: string, resolution: string, size: string, n: string, quality: string, timeout: string, webhook: string,
 *   metadata: readonly { name: string, value: string }[], pictureUrl: string, others: readonly [string, unknown][],
 * }} Form
 */

export const defaultModel = 'gpt-image-2'
const mostPairs = 16

/** @returns {Form} */
const blank = () => ({
  pictures: [],
  mask: null,
  prompt: '',
  model: defaultModel,
  isOtherModel: false,
  ratio: '',
  resolution: '1K',
  size: '',
  n: '1',
  quality: '',
  timeout: '',
  webhook: '',
  metadata: [],
  pictureUrl: '',
  others: [],
})

export const form = makeState(blank())

/** What is wrong, by the names that the service has for its fields; '' is about all of it. @type {import('./state.js').State<Readonly<Record<string, string>>>} */
export const faults = makeState({})

/** @param {Partial<Form>} changes */
export function compose(changes) {
  const before = form.get()
  if (changes.pictures !== undefined) for (const old of before.pictures) if (!changes.pictures.includes(old)) drop(old)
  if (changes.mask !== undefined && changes.mask !== before.mask) drop(before.mask)
  form.set({ ...before, ...changes })
}

export function clearForm() {
  compose({ pictures: [], mask: null })
  form.set(blank())
  faults.set({})
}

export const canAddPair = () => form.get().metadata.length < mostPairs

/**
 * How the model's size is chosen: `presets` by ratio, `text` as it is written, `none` where it is the model's own.
 * @param {Model | undefined} model
 */
export const sizeKind = model =>
  model === undefined ? 'text' : model.sizes !== null ? 'presets' : model.takes.size ? 'text' : 'none'

/**
 * The size that is asked for; '' where it is left to the model.
 * @param {Form} filled
 * @param {Model | undefined} model
 */
export function sizeOf(filled, model) {
  const kind = sizeKind(model)
  if (kind === 'none') return ''
  const typed = filled.size.trim().replaceAll(/\s/g, '').replaceAll(/[×*X]/g, 'x')
  if (kind === 'text' || filled.ratio === 'custom') return typed
  return model?.sizes?.find(one => one.ratio === filled.ratio && one.resolution === filled.resolution)?.size ?? ''
}

/**
 * What one picture costs beside one of 1K.
 * @param {string} size
 * @param {Model | undefined} model
 */
export function multiplierOf(size, model) {
  const sizes = model?.sizes ?? null
  if (sizes === null || size === '' || size === 'auto' || model?.size_aliases?.includes(size) === true) return 1
  // A size of one's own costs as much as the dearest that has a name.
  return sizes.find(one => one.size === size)?.multiplier ?? Math.max(...sizes.map(one => one.multiplier))
}

/** @param {Form} filled */
export const countOf = filled => Math.min(10, Math.max(1, Math.floor(Number(filled.n)) || 1))

/** A parameter as a field of a form has it. @param {unknown} value */
export const fieldText = value => (typeof value === 'string' ? value : JSON.stringify(value))
