// @ts-check
/**
 * A text that outlives the page; null where storage is empty, or forbidden.
 * @param {'localStorage' | 'sessionStorage'} where
 * @param {string} name
 */
export function recall(where, name) {
  try {
    return window[where].getItem(`darkroom.${name}`)
  } catch {
    return null
  }
}

/**
 * @param {'localStorage' | 'sessionStorage'} where
 * @param {string} name
 * @param {string | null} value null: forget it.
 */
export function keep(where, name, value) {
  try {
    if (value === null) window[where].removeItem(`darkroom.${name}`)
    else window[where].setItem(`darkroom.${name}`, value)
  } catch {
    // Forbidden or full: it holds for as long as the page is open.
  }
}
