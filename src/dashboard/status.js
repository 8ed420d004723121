// @ts-check
import { ask } from './api.js'
import { duration, ticking } from './format.js'
import { html, useEffect, useState } from './htm-preact.js'
import { Icon } from './icons.js'
import { isFinal } from './shelf.js'
import { now, since, useTick } from './time.js'
import { t } from './words.js'

/** @typedef {import('./types.d.ts').Job} Job */
/** @typedef {import('./types.d.ts').Status} Status */

/** @type {readonly Status[]} */
export const statuses = ['queued', 'processing', 'succeeded', 'failed', 'canceled', 'expired']

/** @param {{ status: Status }} props */
export function StatusMark({ status }) {
  return html`<span class="status" data-status=${status}><${Icon} name=${status} />${t(`status_${status}`)}</span>`
}

/** How long jobs of a model and size usually take (ms), and when that was learnt. @type {Map<string, { ms: number, at: number }>} */
const usual = new Map()
const freshMs = 60_000

/** @param {Job} job */
const kindOf = job => JSON.stringify([job.model, job.params['size']])

/**
 * Learns it from what the service says of one: Retry-After is what such a job still needs.
 * @param {Job} job
 * @param {Headers} headers
 */
export function learnUsual(job, headers) {
  const leftS = Number(headers.get('retry-after') ?? Number.NaN)
  const spentMs = job.submitted_at === null ? 0 : since(job.submitted_at)
  const known = usual.get(kindOf(job))
  // Of one that takes longer than usual, a quarter of the usual time is told: when to ask again, and nothing of others.
  const isLate = spentMs > 4_000 * leftS || (known !== undefined && spentMs > known.ms)
  if (Number.isFinite(leftS) && !isFinal(job) && !isLate) usual.set(kindOf(job), { ms: spentMs + leftS * 1_000, at: now() })
}

/**
 * @param {Job} job
 * @returns {number | null} ms
 */
function useUsual(job) {
  const known = usual.get(kindOf(job))
  const [, redraw] = useState({})
  const isFresh = known !== undefined && now() - known.at < freshMs
  useEffect(() => {
    if (isFresh) return
    const learn = async () => {
      /** @type {import('./types.d.ts').Answer<Job>} */
      const answer = await ask(`jobs/${job.id}`)
      if (answer.ok) learnUsual(answer.body, answer.headers)
      redraw({})
    }
    void learn()
  }, [job.id])
  return known?.ms ?? null
}

/**
 * How long a job has been running, and how long such ones usually take.
 * @param {{ job: Job }} props
 */
export function Running({ job }) {
  useTick(1_000)
  const usualMs = useUsual(job)
  const spentMs = since(job.submitted_at ?? job.created_at)
  const words = { spent: ticking(spentMs), usual: usualMs === null ? '' : duration(Math.max(1_000, usualMs)) }
  const word = usualMs === null ? 'running' : spentMs > usualMs ? 'running_late' : 'running_usual'
  return html`<span class="running">
    <span role="timer" aria-live="off">${t(word, words)}</span>
    ${usualMs !== null && html`<progress max=${usualMs} value=${Math.min(spentMs, usualMs)} aria-label=${t('progress')}></progress>`}
  </span>`
}

/** @param {Job} job */
export function tookMs(job) {
  if (job.completed_at === null) return null
  return Date.parse(job.completed_at) - Date.parse(job.submitted_at ?? job.created_at)
}
