// @ts-check
import { base, offline, readTrouble } from './api.js'
import { html, useLayoutEffect, useRef, useState } from './htm-preact.js'
import { Icon } from './icons.js'
import { declineKey, key, keyWanted, takeKey } from './key.js'
import { makeState, useValue } from './state.js'
import { pauseWords, troubleWords } from './trouble.js'
import { t } from './words.js'

/** @typedef {import('./htm-preact.js').Node} Node */
/** @typedef {{ title: string, text: string, action: string, isDanger: boolean }} Question */

/**
 * A dialog that takes the focus, and gives it back when it goes.
 * @param {{ title: string, onClose: () => void, children?: Node }} props
 */
function Dialog({ title, onClose, children }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null))
  useLayoutEffect(() => {
    const dialog = element.current
    dialog?.showModal()
    return () => dialog?.close()
  }, [])
  const onCancel = (/** @type {Event} */ event) => {
    // It goes when the page says so.
    event.preventDefault()
    onClose()
  }
  return html`<dialog ref=${element} aria-labelledby="dialog-title" onCancel=${onCancel}>
    <h2 id="dialog-title">${title}</h2>
    ${children}
  </dialog>`
}

/** @type {import('./state.js').State<(Question & { answer: (sure: boolean) => void }) | null>} */
const asked = makeState(/** @type {(Question & { answer: (sure: boolean) => void }) | null} */ (null))

/**
 * Asks before something is done that cannot be undone.
 * @param {Question} question
 * @returns {Promise<boolean>}
 */
export function confirm(question) {
  return new Promise(resolve => {
    asked.set({
      ...question,
      answer(sure) {
        asked.set(null)
        resolve(sure)
      },
    })
  })
}

function Confirm() {
  const question = useValue(asked)
  if (question === null) return null
  const { title, text, action, isDanger, answer } = question
  return html`<${Dialog} title=${title} onClose=${() => answer(false)}>
    <p>${text}</p>
    <div class="dialog-buttons">
      <button type="button" autofocus onClick=${() => answer(false)}>${t('keep')}</button>
      <button type="button" class=${isDanger ? 'danger' : 'primary'} onClick=${() => answer(true)}>${action}</button>
    </div>
  <//>`
}

/**
 * Why the service does not take a key; null: it does. Asked for here alone, so that a wrong one is never kept.
 * @param {string} value
 * @returns {Promise<string | null>}
 */
async function keyFault(value) {
  // Nothing else travels in a header.
  if (!/^[\x21-\x7e]+$/.test(value)) return t('key_wrong')
  try {
    const headers = { authorization: `Bearer ${value}` }
    const response = await fetch(new URL('jobs?limit=1', base), { headers, cache: 'no-store' })
    if (response.ok) return null
    const trouble = readTrouble(response.status, response.headers, await response.text())
    if (trouble.status === 401) return t('key_wrong')
    return trouble.status === 429 ? t('key_tries', { time: pauseWords(trouble) }) : troubleWords(trouble)
  } catch {
    return troubleWords(offline())
  }
}

function KeyDialog() {
  const wanted = useValue(keyWanted)
  const [value, setValue] = useState('')
  const [fault, setFault] = useState(/** @type {string | null} */ (null))
  if (wanted === null) return null
  const clear = () => {
    setValue('')
    setFault(null)
  }
  const decline = () => {
    clear()
    declineKey()
  }
  const onSubmit = async (/** @type {Event} */ event) => {
    event.preventDefault()
    const given = value.trim()
    const found = await keyFault(given)
    if (found !== null) return setFault(found)
    takeKey(given)
    clear()
  }
  const shown = fault ?? (wanted === 'wrong' ? t('key_wrong') : null)
  return html`<${Dialog} title=${t('key_title')} onClose=${decline}>
    <form onSubmit=${onSubmit} class="stack">
      <p>${t('key_text')}</p>
      <div class="field">
        <label for="key">${t('key')}</label>
        <input
          id="key"
          type="password"
          autocomplete="off"
          autofocus
          spellcheck=${false}
          value=${value}
          aria-invalid=${shown === null ? undefined : 'true'}
          aria-describedby="key-fault"
          onInput=${(/** @type {{ target: HTMLInputElement }} */ { target }) => setValue(target.value)}
        />
        <p class="fault" id="key-fault" role="alert">${shown !== null && html`<${Icon} name="failed" />${shown}`}</p>
      </div>
      <div class="dialog-buttons">
        <button type="button" onClick=${decline}>${t('cancel_dialog')}</button>
        <button type="submit" class="primary">${t('key_use')}</button>
      </div>
    </form>
  <//>`
}

export function forgetKey() {
  takeKey(null)
}

/** Whether a key is in use. */
export const useHasKey = () => useValue(key) !== null

export const Dialogs = () => html`<${Confirm} /><${KeyDialog} />`
