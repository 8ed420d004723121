// @ts-check
import { Copy } from './copy.js'
import { bytes, duration, moment, number } from './format.js'
import { html } from './htm-preact.js'
import { onSandbox } from './models.js'
import { jobLink } from './route.js'
import { useValue } from './state.js'
import { tookMs } from './status.js'
import { t, tn } from './words.js'

/** @typedef {import('./types.d.ts').Job} Job */
/** @typedef {import('./htm-preact.js').Node} Node */

/** @param {{ name: string, children?: Node }} props */
const Fact = ({ name, children }) => html`<div class="fact"><dt>${name}</dt><dd>${children}</dd></div>`

/** The price in words. @param {Job} job */
function costWords(job) {
  const { credits, multiplier } = job.cost
  const tasks = tn('charges', job.tasks.length)
  return credits === null
    ? t('cost_times', { times: number(multiplier), tasks })
    : t('cost_credits', { credits: number(credits), tasks })
}

/** @param {Job} job */
function resultWords(job) {
  const images = [...(job.result?.data ?? []), ...(job.late_result?.data ?? [])]
  return images.map(({ width, height, bytes: sizeBytes, content_type }) => {
    const size = width === null || height === null ? null : `${width}×${height}`
    const type = content_type?.replace('image/', '').toUpperCase() ?? null
    return [size, type, sizeBytes === null ? null : bytes(sizeBytes)].filter(one => one !== null).join(' · ')
  })
}

/** @param {{ job: Job }} props */
function Identity({ job }) {
  const trace = job.tasks.find(task => task.trace_id !== null)?.trace_id ?? null
  return html`
    <${Fact} name=${t('job_id')}><code class="break">${job.id}</code><${Copy} short text=${job.id} label=${t('copy_id')} /><//>
    ${job.task_id !== null && html`<${Fact} name=${t('task_id')}><code class="break">${job.tasks.map(task => task.task_id ?? '–').join(', ')}</code><//>`}
    ${trace !== null && html`<${Fact} name=${t('trace_id')}><code class="break">${trace}</code><//>`}
    ${job.retry_of !== null && html`<${Fact} name=${t('retry_of')}><a class="break" href=${jobLink(job.retry_of)}>${job.retry_of}</a><//>`}
  `
}

/** What is known of a job. @param {{ job: Job }} props */
export function Facts({ job }) {
  const sandbox = useValue(onSandbox)
  const { size, ...params } = job.params
  const took = tookMs(job)
  const results = resultWords(job).filter(one => one !== '')
  const pairs = Object.entries(job.metadata)
  return html`<section class="panel" aria-labelledby="facts-title">
    <h2 id="facts-title">${t('facts')}</h2>
    <dl class="facts">
      <${Fact} name=${t('model')}>${job.model}<//>
      <${Fact} name=${t('size')}>${typeof size === 'string' && size !== '' ? size.replace('x', '×') : t('size_auto')}<//>
      ${job.n > 1 && html`<${Fact} name=${t('n')}>${number(job.n)}<//>`}
      ${Object.entries(params).map(([name, value]) => html`<${Fact} name=${name} key=${name}>${typeof value === 'string' ? value : JSON.stringify(value)}<//>`)}
      ${results.length > 0 && html`<${Fact} name=${t('result')}>${results.map((one, index) => html`<span class="line" key=${index}>${one}</span>`)}<//>`}
      <${Fact} name=${t('price')}><span class="line">${costWords(job)}</span><span class="line hint">${sandbox ? t('send_sandbox') : t(`billable_${job.cost.billable}`)}</span><//>
      ${took !== null && html`<${Fact} name=${t('took')}>${duration(took)}<//>`}
      ${took === null && html`<${Fact} name=${t('deadline')}>${moment(Date.parse(job.expires_at))}<//>`}
      ${pairs.map(([name, value]) => html`<${Fact} name=${name} key=${`metadata ${name}`}><span class="break">${value}</span><//>`)}
      <${Identity} job=${job} />
    </dl>
  </section>`
}
