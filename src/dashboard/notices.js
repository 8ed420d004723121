// @ts-check
import { html } from './htm-preact.js'
import { Icon } from './icons.js'
import { makeState, useValue } from './state.js'
import { t } from './words.js'

/** @typedef {{ id: number, text: string, tone: 'good' | 'bad' }} Notice */

const notices = makeState(/** @type {readonly Notice[]} */ ([]))
const shownMs = 6_000
let count = 0

/**
 * Says something in passing, to eyes and to screen readers.
 * @param {string} text
 * @param {'good' | 'bad'} tone
 */
export function say(text, tone = 'good') {
  count += 1
  const id = count
  notices.set([...notices.get().slice(-2), { id, text, tone }])
  setTimeout(() => dismiss(id), shownMs)
}

/** @param {number} id */
const dismiss = id => notices.set(notices.get().filter(one => one.id !== id))

export function Notices() {
  const shown = useValue(notices)
  return html`<div class="notices" role="status" aria-live="polite">
    ${shown.map(
      ({ id, text, tone }) => html`<div class="notice" data-tone=${tone} key=${id}>
        <${Icon} name=${tone === 'bad' ? 'failed' : 'succeeded'} />
        <span>${text}</span>
        <button type="button" class="quiet icon" aria-label=${t('close')} onClick=${() => dismiss(id)}><${Icon} name="close" /></button>
      </div>`,
    )}
  </div>`
}
