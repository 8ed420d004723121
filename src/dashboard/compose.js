// @ts-check
import { checkForm } from './check-form.js'
import { Fault, Field, useFault } from './fields.js'
import { clearForm, compose, countOf, faults, form, multiplierOf, sizeOf } from './form.js'
import { number } from './format.js'
import { html, useState } from './htm-preact.js'
import { Icon } from './icons.js'
import { models, onSandbox } from './models.js'
import { MoreFields, OtherFields } from './more-fields.js'
import { say } from './notices.js'
import { addTyped, PictureField } from './picture-field.js'
import { go, jobLink, route } from './route.js'
import { take } from './shelf.js'
import { SizeField } from './size-field.js'
import { useValue } from './state.js'
import { learnUsual } from './status.js'
import { submit } from './submit.js'
import { submitWords } from './trouble.js'
import { t, tn } from './words.js'

/** @typedef {import('./types.d.ts').Model} Model */
/** @typedef {import('./types.d.ts').Trouble} Trouble */

/** The names that the service has for what the form asks. */
const fieldNames = ['image', 'prompt', 'mask', 'model', 'size', 'n', 'quality', 'timeout_s', 'webhook_url', 'metadata']

/** @param {Readonly<Record<string, string>>} found */
function showFaults(found) {
  faults.set(found)
  const first = fieldNames.find(name => found[name] !== undefined)
  // After it has been drawn: what is hidden in the details opens with its fault.
  if (first !== undefined) setTimeout(() => document.getElementById(`field-${first}`)?.focus(), 0)
}

/** @param {Trouble} trouble */
function faultsOf(trouble) {
  const named = trouble.param?.replace(/\[\]$/, '') ?? ''
  const isKnown = fieldNames.includes(named)
  return { [isKnown ? named : '']: isKnown ? trouble.message : submitWords(trouble) }
}

/** @param {Model | undefined} model */
function useSending(model) {
  const [share, setShare] = useState(/** @type {number | null} */ (null))
  const [failedJob, setFailedJob] = useState(/** @type {string | null} */ (null))
  const send = async () => {
    addTyped()
    const found = checkForm(form.get(), model)
    setFailedJob(null)
    showFaults(found)
    if (share !== null || Object.keys(found).length > 0) return
    setShare(0)
    const outcome = await submit(setShare)
    setShare(null)
    if (outcome.ok) {
      learnUsual(outcome.job, outcome.headers)
      take(outcome.job)
      say(t('taken'))
      go(jobLink(outcome.job.id))
    } else {
      showFaults(faultsOf(outcome.trouble))
      setFailedJob(outcome.trouble.job_id)
    }
  }
  return { share, failedJob, send }
}

/** @param {{ model: Model | undefined }} props */
function ModelField({ model }) {
  const filled = useValue(form)
  const known = useValue(models)
  const { fault, control } = useFault('model')
  const choose = (/** @type {string} */ id) =>
    compose(id === '' ? { model: '', isOtherModel: true } : { model: id, isOtherModel: false })
  const credits = model?.price.credits ?? null
  const names = known.length === 0 ? [filled.model] : known.map(one => one.id)
  return html`<${Field} name="model" label=${t('model')} fault=${fault}>
    <select
      ...${filled.isOtherModel ? {} : control}
      aria-label=${filled.isOtherModel ? t('model') : undefined}
      value=${filled.isOtherModel ? '' : filled.model}
      onChange=${(/** @type {{ target: HTMLSelectElement }} */ { target }) => choose(target.value)}
    >
      ${names.map(id => html`<option value=${id} key=${id}>${id}</option>`)}
      <option value="">${t('model_other')}</option>
    </select>
    ${
      filled.isOtherModel &&
      html`<input ...${control} autocomplete="off" placeholder=${t('model_name')} value=${filled.model} onInput=${(/** @type {{ target: HTMLInputElement }} */ { target }) => compose({ model: target.value })} />`
    }
    ${credits !== null && html`<p class="hint">${t('price_credits', { credits: number(credits) })}</p>`}
  <//>`
}

/** What the button does, with its price. @param {Model | undefined} model */
function useSendWords(model) {
  const filled = useValue(form)
  const n = countOf(filled)
  const credits = model?.price.credits ?? null
  const each = multiplierOf(sizeOf(filled, model), model)
  const price = credits === null ? t('times', { times: number(each * n) }) : t('credits', { credits: number(credits * n) })
  return t('edit_for', { price: n > 1 ? t('both', { first: tn('pictures', n), second: price }) : price })
}

/** @param {{ share: number | null, model: Model | undefined }} props */
function Send({ share, model }) {
  const sandbox = useValue(onSandbox)
  const words = useSendWords(model)
  return html`<div class="send">
    <button type="submit" class="primary wide" disabled=${share !== null}>
      ${
        share === null
          ? html`<${Icon} name="send" />${words}`
          : share < 1
            ? t('uploading', { percent: Math.round(share * 100) })
            : t('submitting')
      }
    </button>
    ${share !== null && html`<progress max="1" value=${share} aria-label=${t('upload')}></progress>`}
    <p class="hint">${sandbox ? t('send_sandbox') : t('send_real')}</p>
  </div>`
}

/** The form for a new edit. */
export function Compose() {
  const Title = useValue(route).name === 'new' ? 'h1' : 'h2'
  const filled = useValue(form)
  const model = useValue(models).find(one => one.id === filled.model)
  const prompt = useFault('prompt')
  const count = useFault('n')
  const whole = useFault('')
  const { share, failedJob, send } = useSending(model)
  const onSubmit = (/** @type {Event} */ event) => {
    event.preventDefault()
    void send()
  }
  const isTouched = filled.pictures.length > 0 || filled.prompt !== ''
  return html`<section class="compose" aria-labelledby="compose-title">
    <header class="compose-head">
      <${Title} id="compose-title" tabindex="-1">${t('new_edit')}<//>
      ${isTouched && html`<button type="button" class="quiet small" onClick=${clearForm}>${t('clear')}</button>`}
    </header>
    <form class="stack" novalidate onSubmit=${onSubmit}>
      <${PictureField} />
      <${Field} name="prompt" label=${t('prompt')} fault=${prompt.fault}>
        <textarea ...${prompt.control} rows="4" placeholder=${t('prompt_hint')} value=${filled.prompt} onInput=${(/** @type {{ target: HTMLTextAreaElement }} */ { target }) => compose({ prompt: target.value })}></textarea>
      <//>
      <${ModelField} model=${model} />
      <${SizeField} model=${model} />
      <${Field} name="n" label=${t('n')} hint=${t('n_hint')} fault=${count.fault}>
        <input ...${count.control} type="number" min="1" max="10" value=${filled.n} onInput=${(/** @type {{ target: HTMLInputElement }} */ { target }) => compose({ n: target.value })} />
      <//>
      <${MoreFields} takesMask=${model?.takes.mask !== false} />
      <${OtherFields} />
      <div role="alert">
        <${Fault} name="" fault=${whole.fault} />
        ${failedJob !== null && html`<p><a href=${jobLink(failedJob)}>${t('failed_job')}</a></p>`}
      </div>
      <${Send} share=${share} model=${model} />
    </form>
  </section>`
}
