// @ts-check
import { makeState } from './state.js'
import { keep, recall } from './storage.js'

/** The API key, for as long as this tab is open. @type {import('./state.js').State<string | null>} */
export const key = makeState(recall('sessionStorage', 'key'))

/** Whether a key has to be asked for, because none or a wrong one was sent. @type {import('./state.js').State<null | 'none' | 'wrong'>} */
export const keyWanted = makeState(/** @type {null | 'none' | 'wrong'} */ (null))

/** Whether a person would not give one: then the page asks nothing by itself, as it would be refused and bring the question back. */
export const keyDeclined = makeState(false)

export function declineKey() {
  keyDeclined.set(true)
  keyWanted.set(null)
}

/** @param {string | null} next null: forget it. */
export function takeKey(next) {
  keyDeclined.set(false)
  keyWanted.set(null)
  keep('sessionStorage', 'key', next)
  key.set(next)
}
