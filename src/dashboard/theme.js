// @ts-check
import { makeState } from './state.js'
import { keep } from './storage.js'

/** @typedef {'light' | 'dark'} Theme */

const chosen = document.documentElement.dataset['theme']
const system = matchMedia('(prefers-color-scheme: dark)')
/** @returns {Theme} */
const ofSystem = () => (system.matches ? 'dark' : 'light')

/** @type {import('./state.js').State<Theme>} */
export const theme = makeState(chosen === 'light' || chosen === 'dark' ? chosen : ofSystem())
system.addEventListener('change', () => {
  if (document.documentElement.dataset['theme'] === undefined) theme.set(ofSystem())
})

export function switchTheme() {
  const next = theme.get() === 'dark' ? 'light' : 'dark'
  document.documentElement.dataset['theme'] = next
  keep('localStorage', 'theme', next)
  theme.set(next)
}
