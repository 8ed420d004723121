// @ts-check
import { ago } from './format.js'
import { html, useEffect } from './htm-preact.js'
import { Icon } from './icons.js'
import { keyWanted } from './key.js'
import { models } from './models.js'
import { Picture, picturesAfter, picturesBefore } from './pictures.js'
import { galleryLink, go, jobLink } from './route.js'
import { isFinal, isFull, load, loadMore, shelf, show } from './shelf.js'
import { useValue } from './state.js'
import { Running, StatusMark, statuses } from './status.js'
import { since, useTick } from './time.js'
import { problemWords, troubleWords } from './trouble.js'
import { Welcome } from './welcome.js'
import { t, tn } from './words.js'

/** @typedef {import('./types.d.ts').Job} Job */

const cardSizes = '(min-width: 1100px) 300px, (min-width: 620px) 45vw, 92vw'

/** @param {{ job: Job }} props */
function Foot({ job }) {
  useTick(30_000)
  const size = typeof job.params['size'] === 'string' ? job.params['size'].replace('x', '×') : null
  if (!isFinal(job)) return html`<p class="foot"><${Running} job=${job} /></p>`
  return html`<p class="foot">
    <span class="model">${job.model}</span>
    <time datetime=${job.created_at}>${ago(since(job.created_at))}</time>
    ${size !== null && html`<span>${size}</span>`}
  </p>`
}

/** @param {{ job: Job }} props */
function Card({ job }) {
  const after = picturesAfter(job)
  const shown = after[0] ?? picturesBefore(job)[0]
  const words = job.error === null ? null : problemWords(job.error)
  return html`<li class="card" data-status=${job.status} data-job=${job.id}>
    <a href=${jobLink(job.id)}>
      <span class="frame" data-kind=${after.length > 0 ? 'after' : 'before'}>
        ${shown !== undefined && html`<${Picture} picture=${shown} sizes=${cardSizes} />`}
        ${!isFinal(job) && html`<span class="developing" aria-hidden="true"></span>`}
        <span class="badges">
          <${StatusMark} status=${job.status} />
          ${after.length > 1 && html`<span class="count">${tn('pictures', after.length)}</span>`}
        </span>
        ${words !== null && html`<span class="why">${words.title}</span>`}
      </span>
      <span class="prompt">${job.prompt}</span>
    </a>
    <${Foot} job=${job} />
  </li>`
}

/** @type {readonly ('' | import('./types.d.ts').Status)[]} */
const choices = ['', ...statuses]

/** @param {{ filter: import('./shelf.js').Filter }} props */
function Filters({ filter }) {
  const known = useValue(models)
  const names = [...new Set([...known.map(model => model.id), ...(filter.model === '' ? [] : [filter.model])])]
  return html`<nav class="filters" aria-label=${t('filters')}>
    <ul class="chips">
      ${choices.map(
        status => html`<li key=${status}>
          <a class="chip" href=${galleryLink({ ...filter, status })} aria-current=${status === filter.status ? 'true' : undefined}>
            ${status === '' ? t('all') : t(`status_${status}`)}
          </a>
        </li>`,
      )}
    </ul>
    <label class="inline">
      <span>${t('model')}</span>
      <select value=${filter.model} onChange=${(/** @type {{ target: HTMLSelectElement }} */ { target }) => go(galleryLink({ ...filter, model: target.value }))}>
        <option value="">${t('all_models')}</option>
        ${names.map(name => html`<option value=${name} key=${name}>${name}</option>`)}
      </select>
    </label>
  </nav>`
}

function Skeletons() {
  return html`<ul class="cards" aria-hidden="true">
    ${[1, 2, 3, 4, 5, 6].map(one => html`<li class="card skeleton" key=${one}><span class="frame"></span><span class="line"></span></li>`)}
  </ul>`
}

/** @param {{ state: import('./shelf.js').Shelf }} props */
function Shelves({ state }) {
  const { shown, jobs, filter, trouble } = state
  const known = shown.map(id => jobs.get(id)).filter(job => job !== undefined)
  if (known.length > 0) return html`<ul class="cards">${known.map(job => html`<${Card} job=${job} key=${job.id} />`)}</ul>`
  if (trouble?.status === 401)
    return html`<div class="empty">
      <p>${t('key_needed')}</p>
      <button type="button" class="primary" onClick=${() => keyWanted.set('none')}><${Icon} name="key" />${t('key_enter')}</button>
    </div>`
  if (trouble !== null)
    return html`<div class="empty" role="alert">
      <p>${troubleWords(trouble)}</p>
      <button type="button" onClick=${() => load()}><${Icon} name="retry" />${t('try_again')}</button>
    </div>`
  if (!state.loaded) return html`<${Skeletons} />`
  if (filter.status === '' && filter.model === '') return html`<${Welcome} />`
  return html`<div class="empty"><p>${t('none_fit')}</p><p><a href="#/">${t('show_all')}</a></p></div>`
}

/** @param {{ status: string, model: string }} props */
export function Gallery({ status, model }) {
  const state = useValue(shelf)
  useEffect(() => show({ status: statuses.some(one => one === status) ? status : '', model }), [status, model])
  const isEmpty = state.loaded && state.shown.length === 0 && state.filter.status === '' && state.filter.model === ''
  return html`<section class="gallery" aria-labelledby="gallery-title" aria-busy=${state.loading}>
    <header class="gallery-head">
      <h1 id="gallery-title" class=${isEmpty ? 'visually-hidden' : ''} tabindex="-1">${t('gallery_title')}</h1>
      ${!isEmpty && html`<${Filters} filter=${state.filter} />`}
    </header>
    <${Shelves} state=${state} />
    ${
      state.cursor !== null &&
      html`<p class="more">
      ${
        isFull(state)
          ? t('full')
          : html`<button type="button" disabled=${state.loading} onClick=${() => loadMore()}>${t('load_more')}</button>`
      }
    </p>`
    }
  </section>`
}
