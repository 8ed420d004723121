// @ts-check
import { pausedUntil } from './api.js'
import { Compose } from './compose.js'
import { Dialogs, forgetKey, useHasKey } from './dialogs.js'
import { live } from './events.js'
import { ticking } from './format.js'
import { Gallery } from './gallery.js'
import { html, useEffect, useLayoutEffect, useRef } from './htm-preact.js'
import { Icon, Mark } from './icons.js'
import { JobPage } from './job.js'
import { onSandbox } from './models.js'
import { Notices, say } from './notices.js'
import { filesOf } from './picked.js'
import { addFiles, setMask } from './picture-field.js'
import { go, route } from './route.js'
import { makeState, useValue } from './state.js'
import { switchTheme, theme } from './theme.js'
import { useTick } from './time.js'
import { chooseLanguage, language, t } from './words.js'

/** @typedef {import('./route.js').Route} Route */

const online = makeState(navigator.onLine)
addEventListener('online', () => online.set(true))
addEventListener('offline', () => online.set(false))

function Live() {
  const state = useValue(live)
  return html`<span class="live" data-state=${state} role="status"><span class="live-dot"></span>${t(`live_${state}`)}</span>`
}

function Header() {
  const sandbox = useValue(onSandbox)
  const hasKey = useHasKey()
  const isChinese = useValue(language) === 'zh'
  const isDark = useValue(theme) === 'dark'
  return html`<header class="bar">
    <a class="brand" href="#/"><${Mark} /><span>Darkroom</span></a>
    ${sandbox && html`<span class="sandbox">${t('sandbox')}<span class="wide-only">${t('sandbox_more')}</span></span>`}
    <${Live} />
    <div class="bar-end">
      ${hasKey && html`<button type="button" class="quiet" onClick=${forgetKey}><${Icon} name="key" /><span class="wide-only">${t('forget_key')}</span></button>`}
      <button type="button" class="quiet" lang=${isChinese ? 'en' : 'zh-CN'} onClick=${() => chooseLanguage(isChinese ? 'en' : 'zh')}>${isChinese ? 'EN' : '中文'}</button>
      <button type="button" class="quiet icon" aria-label=${t(isDark ? 'to_light' : 'to_dark')} onClick=${switchTheme}><${Icon} name=${isDark ? 'sun' : 'moon'} /></button>
      <a class="button primary new-edit" href="#/new"><${Icon} name="plus" /><span>${t('new_edit')}</span></a>
    </div>
  </header>`
}

/** What keeps the page from being up to date. */
function Weather() {
  const isOnline = useValue(online)
  const until = useValue(pausedUntil)
  useTick(until === null ? null : 1_000)
  const text = !isOnline
    ? t('trouble_offline')
    : until === null
      ? null
      : t('paused', { time: ticking(Math.max(0, until - Date.now())) })
  return html`<div role="status">${text !== null && html`<p class="weather"><${Icon} name="warning" />${text}</p>`}</div>`
}

/** Where the gallery was left, to come back to. */
let galleryScroll = 0
addEventListener('scroll', () => {
  if (route.get().name === 'gallery') galleryScroll = window.scrollY
})

/** Another page begins at its top, and says what it is. @param {Route} where */
function useArrival(where) {
  const isFirst = useRef(true)
  const at = where.name === 'job' ? where.id : where.name
  useLayoutEffect(() => {
    window.scrollTo(0, where.name === 'gallery' ? galleryScroll : 0)
    // The page that a person opens has the focus where browsers put it.
    if (!isFirst.current || where.name === 'new') {
      const heading = document.querySelector(where.name === 'new' ? '#compose-title' : 'main h1')
      if (heading instanceof HTMLElement) heading.focus({ preventScroll: true })
    }
    isFirst.current = false
  }, [at])
  const words = t('new_edit')
  useEffect(() => {
    // A job's page has its own, as soon as the job is known.
    if (where.name !== 'job') document.title = where.name === 'new' ? `${words} · Darkroom` : 'Darkroom'
  }, [at, words])
}

/** Pictures are taken wherever they are dropped or pasted. */
function useDrops() {
  useEffect(() => {
    const accept = (/** @type {DataTransfer | null} */ data, /** @type {Event} */ event) => {
      const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement
      // Programs for documents offer what is copied as text and as a picture of it.
      if (isTyping && data?.types.includes('text/plain') === true) return
      const files = filesOf(data)
      if (files.length === 0) return
      event.preventDefault()
      if (event.target instanceof Element && event.target.closest('[data-field=mask]') !== null) return setMask(files)
      addFiles(files)
      say(t('pictures_added'))
      if (route.get().name === 'job') go('#/new')
    }
    const onDrop = (/** @type {DragEvent} */ event) => accept(event.dataTransfer, event)
    const onPaste = (/** @type {ClipboardEvent} */ event) => accept(event.clipboardData, event)
    // Without it a browser would leave the page for the picture.
    const onDragOver = (/** @type {DragEvent} */ event) => {
      if (event.dataTransfer?.types.includes('Files') === true) event.preventDefault()
    }
    addEventListener('drop', onDrop)
    addEventListener('paste', onPaste)
    addEventListener('dragover', onDragOver)
    return () => {
      removeEventListener('drop', onDrop)
      removeEventListener('paste', onPaste)
      removeEventListener('dragover', onDragOver)
    }
  }, [])
}

export function App() {
  const where = useValue(route)
  const main = useRef(/** @type {HTMLElement | null} */ (null))
  useValue(language)
  useArrival(where)
  useDrops()
  const skip = (/** @type {Event} */ event) => {
    // The part of the address after # names the page that is shown.
    event.preventDefault()
    main.current?.focus()
  }
  return html`
    <a class="skip" href="#content" onClick=${skip}>${t('skip')}</a>
    <${Header} />
    <main id="content" tabindex="-1" ref=${main} data-page=${where.name}>
      <${Weather} />
      <div class="columns">
        <${Compose} />
        ${where.name === 'job' ? html`<${JobPage} id=${where.id} key=${where.id} />` : html`<${Gallery} status=${where.name === 'gallery' ? where.status : ''} model=${where.name === 'gallery' ? where.model : ''} />`}
      </div>
    </main>
    <footer class="foot-bar"><span>${t('footer')}</span><a href="docs">${t('docs')}</a><a href="openapi.json">OpenAPI</a></footer>
    <${Notices} />
    <${Dialogs} />
  `
}
