// @ts-check
import { bytes, duration, moment } from './format.js'
import { html } from './htm-preact.js'
import { Icon } from './icons.js'
import { isFinal } from './shelf.js'
import { t, tn } from './words.js'

/** @typedef {import('./types.d.ts').Job} Job */
/** @typedef {import('./types.d.ts').Task} Task */
/** @typedef {import('./types.d.ts').Callback} Callback */
/** @typedef {import('./types.d.ts').Delivery} Delivery */
/** @typedef {import('./words.js').Word} Word */
/** `at`: ms since 1970. `timeless`: that is only where it stands in the order. @typedef {{ at: number, timeless?: true, title: string, more: string, icon: import('./icons.js').IconName }} Step */

/**
 * @param {Job} job
 * @param {Task} task
 * @param {number} index
 * @returns {Step[]}
 */
function stepsOfTask(job, task, index) {
  const which = job.tasks.length > 1 ? ` · ${t('task_n', { n: index + 1 })}` : ''
  /** @type {Step[]} */
  const steps = []
  if (task.submitted_at !== null)
    steps.push({
      at: Date.parse(task.submitted_at),
      title: `${t(task.status === 'unconfirmed' ? 'step_unconfirmed' : 'step_submitted')}${which}`,
      more: [task.task_id, task.attempts > 1 ? tn('attempts', task.attempts) : null].filter(one => one !== null).join(' · '),
      icon: task.status === 'unconfirmed' ? 'warning' : 'send',
    })
  if (task.completed_at !== null && task.source !== null)
    steps.push({
      at: Date.parse(task.completed_at),
      title: `${t(task.status === 'failed' ? `failure_${task.source}` : `step_${task.source}`)}${which}`,
      more: '',
      icon: task.status === 'failed' ? 'failed' : 'succeeded',
    })
  return steps
}

/** @param {Callback} callback @returns {Step} */
const stepOfCallback = ({ received_at, outcome, bytes: sizeBytes }) => ({
  at: Date.parse(received_at),
  title: t(`callback_${outcome}`),
  more: bytes(sizeBytes),
  icon: outcome === 'malformed' ? 'failed' : 'download',
})

/** @param {Delivery} delivery @returns {Step[]} */
const stepsOfDelivery = ({ attempts, type, url }) =>
  attempts.map(({ at, status, ms, answer }) => {
    const isGood = status !== null && status >= 200 && status < 300
    const answered = status === null ? (answer ?? t('no_answer')) : `HTTP ${status}`
    return {
      at: Date.parse(at),
      title: t(isGood ? 'webhook_good' : 'webhook_bad', { type }),
      more: [answered, duration(ms), url, isGood || status === null ? null : answer]
        .filter(one => one !== null && one !== '')
        .join(' · '),
      icon: isGood ? 'send' : 'failed',
    }
  })

/** @param {Job} job @param {readonly Callback[]} callbacks @returns {Step[]} */
function stepOfCopy(job, callbacks) {
  const images = [...(job.result?.data ?? []), ...(job.late_result?.data ?? [])]
  const kept = images.filter(image => image.bytes !== null)
  if (kept.length === 0) return []
  const total = kept.reduce((sum, image) => sum + (image.bytes ?? 0), 0)
  // The service tells no time of it: it comes after the last result.
  const results = callbacks.filter(({ outcome }) => outcome === 'applied' || outcome === 'late').map(one => one.received_at)
  const times = [job.created_at, ...job.tasks.map(task => task.completed_at), ...results, job.completed_at]
  const at = Math.max(...times.filter(time => time !== null).map(Date.parse))
  return [
    { at, timeless: true, title: t('step_copied'), more: `${tn('pictures', kept.length)}, ${bytes(total)}`, icon: 'picture' },
  ]
}

/**
 * What happened, in order.
 * @param {Job} job
 * @param {readonly Callback[]} callbacks
 * @param {readonly Delivery[]} deliveries
 * @returns {Step[]}
 */
function stepsOf(job, callbacks, deliveries) {
  /** @type {Step[]} */
  const ended =
    isFinal(job) && job.completed_at !== null
      ? [{ at: Date.parse(job.completed_at), title: t(`status_${job.status}`), more: '', icon: job.status }]
      : []
  // The task tells of it already.
  const isTold = job.tasks.some(task => task.source === 'callback')
  const timed = [
    { at: Date.parse(job.created_at), title: t('step_queued'), more: '', icon: /** @type {const} */ ('plus') },
    ...job.tasks.flatMap((task, index) => stepsOfTask(job, task, index)),
    ...callbacks.filter(one => one.outcome !== 'applied' || !isTold).map(stepOfCallback),
    ...ended,
    ...stepOfCopy(job, callbacks),
    ...deliveries.flatMap(stepsOfDelivery),
  ]
  // Those of one moment stay in the order in which things go on.
  return timed.toSorted((a, b) => a.at - b.at)
}

/** @param {{ job: Job, callbacks: readonly Callback[], deliveries: readonly Delivery[] }} props */
export function Timeline({ job, callbacks, deliveries }) {
  const begun = Date.parse(job.created_at)
  return html`<section class="panel" aria-labelledby="timeline-title">
    <h2 id="timeline-title">${t('timeline')}</h2>
    <ol class="timeline">
      ${stepsOf(job, callbacks, deliveries).map(
        (step, index) => html`<li key=${index}>
          <span class="dot"><${Icon} name=${step.icon} /></span>
          <div>
            <p class="step-title">
              ${step.title}
              ${step.timeless !== true && step.at > begun && html`<span class="offset">+${duration(step.at - begun)}</span>`}
            </p>
            ${step.more !== '' && html`<p class="hint break">${step.more}</p>`}
            ${step.timeless !== true && html`<time class="hint" datetime=${new Date(step.at).toISOString()}>${moment(step.at)}</time>`}
          </div>
        </li>`,
      )}
    </ol>
  </section>`
}
