// @ts-check

import { countOf, sizeKind, sizeOf } from './form.js'
import { bytes } from './format.js'
import { isPicture, isPictureUrl } from './picked.js'
import { t } from './words.js'

/** @typedef {import('./form.js').Form} Form */
/** @typedef {import('./types.d.ts').Model} Model */

const mostPictures = 16
const mostBytes = 50 * 2 ** 20
const longestPrompt = 32_000

/**
 * @param {Form} filled
 * @param {Model | undefined} model
 */
function pictureFault({ pictures, pictureUrl }, model) {
  if (pictureUrl.trim() !== '' && !isPictureUrl(pictureUrl)) return t('fault_picture_url')
  const most = model?.max_images ?? mostPictures
  if (pictures.length === 0) return t('fault_no_picture')
  if (pictures.length > most) return t('fault_many_pictures', { most, n: pictures.length })
  for (const one of pictures) {
    if (!('file' in one)) continue
    if (!isPicture(one.file)) return t('fault_type', { name: one.file.name })
    if (one.file.size > mostBytes) return t('fault_large', { name: one.file.name, most: bytes(mostBytes) })
  }
  return null
}

/**
 * @param {Form} filled
 * @param {Model | undefined} model
 */
function sizeFault(filled, model) {
  const size = sizeOf(filled, model)
  if (sizeKind(model) !== 'presets' || filled.ratio !== 'custom') return null
  const [, width, height] = /^(\d{2,4})x(\d{2,4})$/.exec(size) ?? []
  return width === undefined || height === undefined ? t('fault_size') : null
}

/**
 * What is wrong with the form, by field, before anything is sent. The service looks at all of it again.
 * @param {Form} filled
 * @param {Model | undefined} model
 * @returns {Record<string, string>}
 */
export function checkForm(filled, model) {
  const length = Array.from(filled.prompt).length
  /** @type {Record<string, string | null>} */
  const found = {
    image: pictureFault(filled, model),
    prompt: filled.prompt.trim() === '' ? t('fault_no_prompt') : length > longestPrompt ? t('fault_long_prompt') : null,
    model: filled.model.trim() === '' ? t('fault_no_model') : null,
    size: sizeFault(filled, model),
    n: countOf(filled) === Number(filled.n) ? null : t('fault_n'),
    timeout_s: /^\s*\d*\s*$/.test(filled.timeout) ? null : t('fault_timeout'),
    webhook_url: filled.webhook.trim() === '' || URL.canParse(filled.webhook.trim()) ? null : t('fault_url'),
  }
  return Object.fromEntries(Object.entries(found).flatMap(([name, fault]) => (fault === null ? [] : [[name, fault]])))
}
