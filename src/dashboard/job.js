// @ts-check
import { cancel, changeAndSend, editAgain, redeliver, remove, retry } from './actions.js'
import { ask } from './api.js'
import { Compare } from './compare.js'
import { Copy } from './copy.js'
import { curlLine } from './curl.js'
import { useHasKey } from './dialogs.js'
import { live } from './events.js'
import { Facts } from './facts.js'
import { ago } from './format.js'
import { html, useEffect, useState } from './htm-preact.js'
import { Icon } from './icons.js'
import { key, keyDeclined } from './key.js'
import { maskOf, picturesAfter, picturesBefore } from './pictures.js'
import { forget, isFinal, shelf, take } from './shelf.js'
import { useValue } from './state.js'
import { learnUsual, Running, StatusMark } from './status.js'
import { since, useTick } from './time.js'
import { Timeline } from './timeline.js'
import { problemSource, problemWords, troubleWords } from './trouble.js'
import { t } from './words.js'

/** @typedef {import('./types.d.ts').Job} Job */
/** @typedef {import('./types.d.ts').Trouble} Trouble */
/** @typedef {import('./types.d.ts').Callback} Callback */
/** @typedef {import('./types.d.ts').Delivery} Delivery */

const lookEveryMs = 3_000
/** What of a prompt can be a title. */
const titleLength = 240

/** Whether its pictures are still being copied: no event tells when they are here. @param {Job} job */
const isCopying = job => [...(job.result?.data ?? []), ...(job.late_result?.data ?? [])].some(image => image.bytes === null)

/**
 * The job, kept up to date while it is open.
 * @param {string} id
 */
function useJob(id) {
  const job = useValue(shelf).jobs.get(id) ?? null
  const isLive = useValue(live) === 'live'
  const known = useValue(key)
  const [trouble, setTrouble] = useState(/** @type {Trouble | null} */ (null))
  const look = async () => {
    /** @type {import('./types.d.ts').Answer<Job>} */
    const answer = await ask(`jobs/${encodeURIComponent(id)}`)
    setTrouble(answer.ok ? null : answer.trouble)
    if (answer.ok) {
      const found = answer.body
      learnUsual(found, answer.headers)
      take(found)
      // By the provider's id it is found too, and stays under its own.
      if (found.id !== id) location.replace(`#/jobs/${found.id}`)
    } else if (answer.trouble.status === 404) forget(id)
  }
  useEffect(() => void look(), [id, known, isLive])
  const isChanging = job !== null && (!isFinal(job) || isCopying(job))
  useEffect(() => {
    if (!isChanging) return undefined
    const timer = setInterval(() => {
      if (!keyDeclined.get()) void look()
    }, lookEveryMs)
    return () => clearInterval(timer)
  }, [id, isChanging])
  return { job, trouble }
}

/** @param {Job | null} job */
function useHistory(job) {
  const [callbacks, setCallbacks] = useState(/** @type {readonly Callback[]} */ ([]))
  const [deliveries, setDeliveries] = useState(/** @type {readonly Delivery[]} */ ([]))
  const [turn, setTurn] = useState(0)
  const stamp = job === null ? '' : JSON.stringify([job.id, job.status, job.tasks, job.late_result === null])
  useEffect(() => {
    if (job === null) return
    let wanted = true
    const read = async () => {
      /** @type {import('./types.d.ts').Answer<{ data: Callback[] }>} */
      const back = await ask(`jobs/${job.id}/callbacks`)
      if (wanted && back.ok) setCallbacks(back.body.data)
      /** @type {import('./types.d.ts').Answer<{ data: Delivery[] }>} */
      const sent = await ask(`jobs/${job.id}/deliveries`)
      if (wanted && sent.ok) setDeliveries(sent.body.data)
    }
    void read()
    return () => {
      wanted = false
    }
  }, [stamp, turn])
  const isSending = deliveries.some(one => one.status === 'pending')
  useEffect(() => {
    if (!isSending) return undefined
    const timer = setInterval(() => {
      if (!keyDeclined.get()) setTurn(before => before + 1)
    }, lookEveryMs)
    return () => clearInterval(timer)
  }, [isSending])
  return { callbacks, deliveries, lookAgain: () => setTurn(before => before + 1) }
}

/** What has to be known of it, and done. @param {{ job: Job }} props */
function Advice({ job }) {
  const problem = job.error === null ? null : problemWords(job.error)
  const others = job.result === null ? [] : job.errors.map(problemWords)
  const isUnconfirmed = job.tasks.some(task => task.status === 'unconfirmed')
  const mayCost = isFinal(job) && job.status !== 'succeeded' && job.cost.billable === 'unknown'
  return html`<div class="advice" role="status">
    ${
      problem !== null &&
      html`<div class="callout bad">
      <${Icon} name="failed" />
      <div><p><strong>${problem.title}</strong></p><p>${problem.advice}</p><p class="hint break">${job.error !== null && problemSource(job.error)}</p></div>
    </div>`
    }
    ${others.map((one, index) => html`<div class="callout bad" key=${index}><${Icon} name="failed" /><div><p><strong>${t('one_failed')}</strong> ${one.title}. ${one.advice}</p></div></div>`)}
    ${isUnconfirmed && html`<div class="callout"><${Icon} name="warning" /><div><p><strong>${t('unconfirmed')}</strong></p><p>${t('unconfirmed_more')}</p></div></div>`}
    ${mayCost && html`<div class="callout"><${Icon} name="warning" /><div><p>${t('may_cost')}</p></div></div>`}
    ${job.late_result !== null && html`<div class="callout"><${Icon} name="picture" /><div><p>${t('late_text')}</p></div></div>`}
    ${job.warnings.map((warning, index) => html`<div class="callout" key=${index}><${Icon} name="warning" /><div><p>${warning}</p></div></div>`)}
  </div>`
}

/** @param {{ job: Job, deliveries: readonly Delivery[], onRedelivered: () => void }} props */
function Actions({ job, deliveries, onRedelivered }) {
  const [result] = picturesAfter(job)
  const hasKey = useHasKey()
  const ended = isFinal(job)
  const isOpen = ended && result === undefined
  // After a refusal for good, the same again is refused again.
  const isRetryBest = isOpen && job.error?.retryable !== false
  const isChangeBest = isOpen && !isRetryBest
  return html`<div class="actions" role="group" aria-label=${t('actions')}>
    ${result !== undefined && html`<button type="button" class="primary" onClick=${() => editAgain(result)}><${Icon} name="picture" />${t('edit_again')}</button>`}
    ${ended && job.status !== 'succeeded' && html`<button type="button" class=${isRetryBest ? 'primary' : ''} onClick=${() => retry(job)}><${Icon} name="retry" />${t('retry')}</button>`}
    ${!ended && html`<button type="button" onClick=${() => cancel(job)}><${Icon} name="stop" />${t('cancel')}</button>`}
    <button type="button" class=${isChangeBest ? 'primary' : ''} onClick=${() => changeAndSend(job)}><${Icon} name="edit" />${t('change_and_send')}</button>
    <${Copy} text=${curlLine(job, hasKey)} label=${t('copy_curl')} />
    ${deliveries.length > 0 && html`<button type="button" onClick=${() => redeliver(job).then(onRedelivered)}><${Icon} name="send" />${t('redeliver')}</button>`}
    ${ended && html`<button type="button" class="quiet danger-text" onClick=${() => remove(job)}><${Icon} name="trash" />${t('delete')}</button>`}
  </div>`
}

/** @param {{ trouble: Trouble | null }} props */
function NoJob({ trouble }) {
  if (trouble === null) return html`<div class="empty" aria-busy="true"><p>${t('loading')}</p></div>`
  return html`<div class="empty" role="alert">
    <p>${trouble.status === 404 ? t('no_such_job') : troubleWords(trouble)}</p>
    <p><a href="#/">${t('show_all')}</a></p>
  </div>`
}

/** @param {{ job: Job }} props */
function Head({ job }) {
  const isLong = job.prompt.length > titleLength + 40
  useTick(30_000)
  return html`<header class="job-head">
    <p class="job-line">
      <span role="status"><${StatusMark} status=${job.status} /></span>
      <span>${job.model}</span>
      <time datetime=${job.created_at}>${ago(since(job.created_at))}</time>
    </p>
    <div class="job-title"><h1 tabindex="-1">${isLong ? `${job.prompt.slice(0, titleLength)}…` : job.prompt}</h1><${Copy} short text=${job.prompt} label=${t('copy_prompt')} /></div>
    ${isLong && html`<details class="whole-prompt"><summary>${t('whole_prompt')}</summary><p class="break">${job.prompt}</p></details>`}
    ${!isFinal(job) && html`<${Running} job=${job} />`}
  </header>`
}

/** @param {{ id: string }} props */
export function JobPage({ id }) {
  const { job, trouble } = useJob(id)
  const title = job === null ? 'Darkroom' : `${job.prompt.slice(0, 60)} · Darkroom`
  useEffect(() => {
    document.title = title
  }, [title])
  const { callbacks, deliveries, lookAgain } = useHistory(job)
  return html`<article class="job">
    <p class="back"><a href="#/"><${Icon} name="back" />${t('all_edits')}</a></p>
    ${
      job === null
        ? html`<h1 class="visually-hidden" tabindex="-1">${t('job')}</h1><${NoJob} trouble=${trouble} />`
        : html`<div class="job-columns">
          <div class="job-main">
            <${Compare} before=${picturesBefore(job)} after=${picturesAfter(job)} mask=${maskOf(job)} key=${job.id}>
              ${!isFinal(job) && html`<span class="developing" aria-hidden="true"></span>`}
            <//>
          </div>
          <div class="job-side">
            <${Head} job=${job} />
            <${Advice} job=${job} />
            <${Actions} job=${job} deliveries=${deliveries} onRedelivered=${lookAgain} />
            <${Facts} job=${job} />
            <${Timeline} job=${job} callbacks=${callbacks} deliveries=${deliveries} />
          </div>
        </div>`
    }
  </article>`
}
