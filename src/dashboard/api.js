// @ts-check
import { key, keyWanted } from './key.js'
import { makeState } from './state.js'
import { readClock } from './time.js'

/** @typedef {import('./types.d.ts').Trouble} Trouble */
/**
 * @template T
 * @typedef {import('./types.d.ts').Answer<T>} Answer
 */

/** Until when (ms since 1970) nothing is asked, because the service said that it was too much; null: it did not. */
export const pausedUntil = makeState(/** @type {number | null} */ (null))

/** Where the service is: the page's own address without what comes after it, so that a path in front of it is kept. */
export const base = new URL('.', location.href.replace(/[#?].*$/, '')).href

/** @param {number} ms */
export const wait = ms => new Promise(resolve => setTimeout(resolve, ms))

/**
 * @param {string} path from the service's address on, without a slash in front.
 * @param {RequestInit} init
 */
function send(path, init) {
  const headers = new Headers(init.headers)
  const known = key.get()
  if (known !== null) headers.set('authorization', `Bearer ${known}`)
  return fetch(new URL(path, base), { ...init, headers, cache: 'no-store' })
}

/** @param {Headers} headers */
function retryAfterS(headers) {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  return Number.isFinite(seconds) ? seconds : null
}

/** @returns {Trouble} */
export function offline() {
  return { status: 0, code: 'offline', message: '', param: null, job_id: null, request_id: null, retryAfterS: null }
}

/**
 * What an answer that is no success says, whatever it is: a proxy's is no JSON.
 * @param {number} status
 * @param {Headers} headers
 * @param {string} text
 * @returns {Trouble}
 */
export function readTrouble(status, headers, text) {
  /** @type {{ error?: Partial<Trouble>, job_id?: string, request_id?: string }} */
  let body = {}
  try {
    body = JSON.parse(text) ?? {}
  } catch {
    // A proxy's page.
  }
  return {
    status,
    code: body.error?.code ?? `http_${status}`,
    message: body.error?.message ?? '',
    param: body.error?.param ?? null,
    job_id: body.job_id ?? null,
    request_id: body.request_id ?? headers.get('x-request-id'),
    retryAfterS: retryAfterS(headers),
  }
}

/**
 * What every part of the page has to know of an answer that is no success.
 * @param {Trouble} trouble
 */
export function noteTrouble(trouble) {
  if (trouble.status === 401) keyWanted.set(key.get() === null ? 'none' : 'wrong')
  if (trouble.status === 429) pausedUntil.set(Date.now() + 1_000 * (trouble.retryAfterS ?? 10))
}

/** Waits until the service may be asked again. */
export async function whilePaused() {
  const until = pausedUntil.get()
  if (until === null) return
  await wait(Math.max(0, until - Date.now()))
  if (pausedUntil.get() === until) pausedUntil.set(null)
}

/**
 * Asks the service. A GET that comes too soon waits, and is sent again.
 * @template T
 * @param {string} path
 * @param {RequestInit} init
 * @returns {Promise<Answer<T>>}
 */
export async function ask(path, init = {}) {
  for (;;) {
    await whilePaused()
    try {
      const response = await send(path, init)
      readClock(response.headers)
      const text = await response.text()
      if (response.ok)
        return { ok: true, status: response.status, body: text === '' ? null : JSON.parse(text), headers: response.headers }
      const trouble = readTrouble(response.status, response.headers, text)
      noteTrouble(trouble)
      if (response.status !== 429 || init.method !== undefined) return { ok: false, trouble }
    } catch {
      return { ok: false, trouble: offline() }
    }
  }
}

/**
 * A picture's bytes; null where they cannot be had.
 * @param {string} path
 * @returns {Promise<Blob | null>}
 */
export async function askPicture(path) {
  try {
    const response = await send(path, {})
    return response.ok ? await response.blob() : null
  } catch {
    return null
  }
}

/**
 * The body of an answer that does not end.
 * @param {string} path
 * @param {RequestInit} init
 */
export async function open(path, init) {
  await whilePaused()
  const response = await send(path, init)
  if (response.ok && response.body !== null) return response.body
  const trouble = readTrouble(response.status, response.headers, await response.text())
  noteTrouble(trouble)
  return trouble
}
