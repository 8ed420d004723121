// @ts-check
import { base, noteTrouble, offline, readTrouble } from './api.js'
import { clearForm, countOf, fieldText, form, sizeKind, sizeOf } from './form.js'
import { key } from './key.js'
import { models } from './models.js'

/** @typedef {import('./types.d.ts').Job} Job */
/** @typedef {import('./types.d.ts').Trouble} Trouble */
/** @typedef {import('./types.d.ts').Picked} Picked */
/** @typedef {import('./form.js').Form} Form */
/** @typedef {{ ok: true, job: Job, headers: Headers } | { ok: false, trouble: Trouble }} Outcome */

/** A key that nobody else makes: the page may be on plain http, where randomUUID is missing. */
export function newIdempotencyKey() {
  const random = crypto.getRandomValues(new Uint8Array(16))
  return `dashboard-${[...random].map(byte => byte.toString(16).padStart(2, '0')).join('')}`
}

/**
 * Whether nobody knows if a submit was taken: no answer came, or one that does not tell.
 * @param {Trouble} trouble
 */
export const isUnknown = ({ status, job_id }) => job_id === null && (status === 0 || status >= 500)

/**
 * @param {Form} filled
 * @returns {[string, string | Picked][]}
 */
function fieldsOf(filled) {
  const model = models.get().find(one => one.id === filled.model)
  /** @type {[string, string | Picked | null][]} */
  const fields = [
    ['prompt', filled.prompt],
    ['model', filled.model.trim()],
    ['size', sizeKind(model) === 'none' ? '' : sizeOf(filled, model)],
    ['n', countOf(filled) === 1 ? '' : String(countOf(filled))],
    ['quality', filled.quality],
    ['timeout_s', filled.timeout.trim()],
    ['webhook_url', filled.webhook.trim()],
    ['metadata', metadataOf(filled)],
    ...filled.others.map(([name, value]) => /** @type {[string, string]} */ ([name, fieldText(value)])),
    ...filled.pictures.map(one => /** @type {[string, Picked]} */ (['image', one])),
    ['mask', model?.takes.mask === false ? null : filled.mask],
  ]
  return fields.flatMap(([name, value]) => (value === null || value === '' ? [] : [[name, value]]))
}

/** @param {Form} filled */
function metadataOf({ metadata }) {
  const pairs = metadata.filter(({ name }) => name.trim() !== '').map(({ name, value }) => [name.trim(), value])
  return pairs.length === 0 ? '' : JSON.stringify(Object.fromEntries(pairs))
}

/** @param {[string, string | Picked][]} fields */
function bodyOf(fields) {
  const body = new FormData()
  for (const [name, value] of fields) {
    if (typeof value === 'string') body.append(name, value)
    else if ('file' in value) body.append(name, value.file)
    else body.append(name, value.url)
  }
  return body
}

/** Lines of a response's headers, as XMLHttpRequest gives them. @param {string} lines */
const readHeaders = lines =>
  new Headers(
    lines
      .trim()
      .split(/\r?\n/)
      .map(line => /** @type {[string, string]} */ ([line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]))
      .filter(([name]) => name !== ''),
  )

/**
 * Sends it. Only XMLHttpRequest tells how much of an upload has left.
 * @param {FormData} body
 * @param {string} idempotencyKey
 * @param {(share: number) => void} onProgress
 * @returns {Promise<Outcome>}
 */
function post(body, idempotencyKey, onProgress) {
  return new Promise(resolve => {
    const request = new XMLHttpRequest()
    request.open('POST', new URL('jobs', base))
    request.setRequestHeader('idempotency-key', idempotencyKey)
    const known = key.get()
    if (known !== null) request.setRequestHeader('authorization', `Bearer ${known}`)
    request.upload.addEventListener('progress', ({ loaded, total }) => onProgress(total === 0 ? 0 : loaded / total))
    request.addEventListener('error', () => resolve({ ok: false, trouble: offline() }))
    request.addEventListener('load', () => {
      const headers = readHeaders(request.getAllResponseHeaders())
      if (request.status === 202) return resolve({ ok: true, job: JSON.parse(request.responseText), headers })
      const trouble = readTrouble(request.status, headers, request.responseText)
      noteTrouble(trouble)
      resolve({ ok: false, trouble })
    })
    request.send(body)
  })
}

/** @param {Form} before @param {Form} after */
const isSame = (before, after) => Object.entries(before).every(([name, value]) => Reflect.get(after, name) === value)

/**
 * What was sent last, with its key. While nobody knows what became of it, the same form goes under the same key,
 * so that a double click or another try is the same job.
 * @type {{ text: string, key: string, underWay: Promise<Outcome> | null } | null}
 */
let last = null

/**
 * Submits the form as it is, and empties it when it was taken, unless it has been changed since.
 * @param {(share: number) => void} onProgress how much of it has left, 0 to 1.
 * @returns {Promise<Outcome>}
 */
export async function submit(onProgress) {
  const filled = form.get()
  const fields = fieldsOf(filled)
  // A picture that is chosen has a number of its own.
  const text = JSON.stringify(fields.map(([name, value]) => [name, typeof value === 'string' ? value : value.id]))
  if (last?.text === text && last.underWay !== null) return last.underWay
  const mine = {
    text,
    key: last?.text === text ? last.key : newIdempotencyKey(),
    underWay: /** @type {Promise<Outcome> | null} */ (null),
  }
  last = mine
  mine.underWay = post(bodyOf(fields), mine.key, onProgress)
  const outcome = await mine.underWay
  mine.underWay = null
  if ((outcome.ok || !isUnknown(outcome.trouble)) && last === mine) last = null
  if (outcome.ok && isSame(filled, form.get())) clearForm()
  return outcome
}
