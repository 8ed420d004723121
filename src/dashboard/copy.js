// @ts-check
import { html } from './htm-preact.js'
import { Icon } from './icons.js'
import { say } from './notices.js'
import { t } from './words.js'

/** For pages on plain http, where there is no clipboard. @param {string} text */
function copyByHand(text) {
  const area = document.createElement('textarea')
  area.value = text
  area.setAttribute('readonly', '')
  area.className = 'visually-hidden'
  document.body.append(area)
  const focused = document.activeElement
  area.select()
  const done = document.execCommand('copy')
  area.remove()
  if (focused instanceof HTMLElement) focused.focus()
  return done
}

/** @param {string} text */
async function copy(text) {
  const done = await (navigator.clipboard?.writeText(text) ?? Promise.reject(new Error('no clipboard'))).then(
    () => true,
    () => copyByHand(text),
  )
  say(done ? t('copied') : t('not_copied'), done ? 'good' : 'bad')
}

/** @param {{ text: string, label: string, short?: boolean }} props `short`: only the icon is seen. */
export function Copy({ text, label, short }) {
  if (short === true)
    return html`<button type="button" class="quiet icon" aria-label=${label} onClick=${() => copy(text)}><${Icon} name="copy" /></button>`
  return html`<button type="button" onClick=${() => copy(text)}><${Icon} name="copy" />${label}</button>`
}
