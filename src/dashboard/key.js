// @ts-check
import { makeState } from './state.js'
import { keep, recall } from './storage.js'

/** The API key, for as long as this tab is open. @type {import('./state.js').State<string | null>} */
export const key = makeState(recall('sessionStorage', 'key'))

/** Whether a key has to be asked for, because none or a wrong one was sent. @type {import('./state.js').State<null | 'none' | 'wrong'>} */
export const keyWanted = makeState(/** @type {null | 'none' | 'wrong'} */ (null))

/** @param {string | null} next null: forget it. */
export function takeKey(next) {
  keep('sessionStorage', 'key', next)
  key.set(next)
}
