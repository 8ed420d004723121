// @ts-check
import { makeState } from './state.js'

/**
 * @typedef {{ name: 'gallery', status: string, model: string }} GalleryRoute
 * @typedef {{ name: 'new' }} NewRoute
 * @typedef {{ name: 'job', id: string }} JobRoute
 * @typedef {GalleryRoute | NewRoute | JobRoute} Route
 */

/** @returns {Route} */
function read() {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?', 2)
  const [, id] = /^jobs\/([^/]+)$/.exec(path) ?? []
  if (id !== undefined) return { name: 'job', id: decode(id) }
  if (path === 'new') return { name: 'new' }
  const values = new URLSearchParams(query)
  return { name: 'gallery', status: values.get('status') ?? '', model: values.get('model') ?? '' }
}

/** @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** @type {import('./state.js').State<Route>} */
export const route = makeState(read())
addEventListener('hashchange', () => route.set(read()))

/** @param {string} id */
export const jobLink = id => `#/jobs/${encodeURIComponent(id)}`

/** @param {{ status: string, model: string }} filter */
export function galleryLink({ status, model }) {
  const query = new URLSearchParams()
  if (status !== '') query.set('status', status)
  if (model !== '') query.set('model', model)
  return query.size === 0 ? '#/' : `#/?${query}`
}

/** @param {string} hash */
export function go(hash) {
  location.hash = hash
}
