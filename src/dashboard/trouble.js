// @ts-check
import { ticking } from './format.js'
import { t } from './words.js'

/** @typedef {import('./words.js').Word} Word */
/** @typedef {import('./types.d.ts').Trouble} Trouble */
/** @typedef {'key' | 'used_up' | 'disabled' | 'moderation' | 'request' | 'address' | 'busy' | 'broken' | 'expired' | 'empty'} Family */

/** What goes wrong at the provider, by its codes and ours. @type {ReadonlyMap<string, Family>} */
const families = new Map([
  ['invalid_token', 'key'],
  ['token_expired', 'key'],
  ['token_mismatched', 'key'],
  ['no_token', 'key'],
  ['used_up', 'used_up'],
  ['disabled', 'disabled'],
  ['forbidden', 'moderation'],
  ['bad_request', 'request'],
  ['no_api', 'address'],
  ['api_not_implemented', 'address'],
  ['redirected', 'address'],
  ['too_many_requests', 'busy'],
  ['rate_limited', 'busy'],
  ['api_error', 'broken'],
  ['provider_error', 'broken'],
  ['provider_unreachable', 'broken'],
  ['timeout', 'broken'],
  ['expired', 'expired'],
  ['no_result', 'empty'],
])

/**
 * What happened to a job, and what to do about it.
 * @param {{ code: string, message: string }} problem
 */
export function problemWords({ code, message }) {
  const family = families.get(code)
  if (family === undefined) return { title: message === '' ? code : message, advice: t('advice_unknown') }
  return { title: t(`problem_${family}`), advice: t(`advice_${family}`) }
}

/** Codes that are Darkroom's own: the provider said nothing of the kind. */
const ownCodes = new Set(['expired', 'provider_unreachable', 'redirected', 'no_result'])

/** A failure as it was told, and by whom. @param {{ code: string, message: string }} problem */
export const problemSource = ({ code, message }) => t(ownCodes.has(code) ? 'reason' : 'provider_says', { code, message })

/** @type {ReadonlyMap<string, Word>} */
const answers = new Map([
  ['offline', 'trouble_offline'],
  ['unauthorized', 'trouble_unauthorized'],
  ['not_found', 'trouble_not_found'],
  ['payload_too_large', 'trouble_too_large'],
  ['unavailable', 'trouble_unavailable'],
  ['internal_error', 'trouble_internal'],
  ['storage_full', 'trouble_storage'],
  ['request_timeout', 'trouble_slow'],
  ['idempotency_mismatch', 'trouble_mismatch'],
])

/** How long the service wants to be left alone. @param {Trouble} trouble */
export const pauseWords = ({ retryAfterS }) => ticking(1_000 * (retryAfterS ?? 10))

/** What a proxy, or the service on its way out, answers to a submit that may have been taken all the same. */
const tellsNothing = new Set([502, 503, 504])

/**
 * Why a submit did not come to a job.
 * @param {Trouble} trouble
 */
export const submitWords = trouble =>
  trouble.job_id === null && tellsNothing.has(trouble.status) ? t('trouble_unknown') : troubleWords(trouble)

/**
 * Why the service did not do what it was asked.
 * @param {Trouble} trouble
 */
export function troubleWords(trouble) {
  const { status, code, message, job_id, request_id } = trouble
  if (job_id !== null) {
    const { title, advice } = problemWords({ code, message })
    return `${title}. ${advice}`
  }
  if (code === 'rate_limited') return t('trouble_rate', { time: pauseWords(trouble) })
  const word = answers.get(code)
  if (word !== undefined) return t(word, { id: request_id ?? '' })
  return message === '' ? t('trouble_other', { status }) : message
}
