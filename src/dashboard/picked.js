// @ts-check
/** @typedef {import('./types.d.ts').Picked} Picked */

let count = 0

/**
 * A picture that was chosen, with a preview of it.
 * @param {File} file
 * @returns {Picked}
 */
export function pick(file) {
  count += 1
  return { id: count, file, preview: URL.createObjectURL(file) }
}

/**
 * A picture that is named by its URL. The page loads nothing from other hosts, so that it has no preview.
 * @param {string} url
 * @returns {Picked}
 */
export function pickUrl(url) {
  count += 1
  return { id: count, url }
}

/** Whether a text can be the URL of a picture. @param {string} text */
export const isPictureUrl = text => /^https?:\/\//i.test(text.trim()) && URL.canParse(text.trim())

/** @param {Picked | null} picked */
export function drop(picked) {
  if (picked !== null && 'preview' in picked) URL.revokeObjectURL(picked.preview)
}

const types = ['image/png', 'image/jpeg', 'image/webp']

/** What the service would refuse by its bytes. @param {File} file */
export const isPicture = file => types.includes(file.type)

/**
 * The pictures among what was dropped or pasted.
 * @param {DataTransfer | null} data
 */
export const filesOf = data => [...(data?.files ?? [])]
