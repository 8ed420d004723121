// @ts-check
import { Fault, Field, useFault } from './fields.js'
import { canAddPair, compose, fieldText, form } from './form.js'
import { html } from './htm-preact.js'
import { Icon } from './icons.js'
import { MaskField } from './picture-field.js'
import { useValue } from './state.js'
import { t } from './words.js'

/** @typedef {{ target: HTMLInputElement }} Typed */

function Metadata() {
  const { metadata } = useValue(form)
  const { fault } = useFault('metadata')
  /** @param {number} index @param {Partial<{ name: string, value: string }>} changes */
  const change = (index, changes) =>
    compose({ metadata: metadata.map((pair, at) => (at === index ? { ...pair, ...changes } : pair)) })
  return html`<fieldset class="field metadata" data-field="metadata">
    <legend>${t('metadata')}<span class="hint">${t('metadata_hint')}</span></legend>
    ${metadata.map(
      (pair, index) => html`<div class="pair" key=${index}>
        <input aria-label=${t('metadata_name', { n: index + 1 })} placeholder=${t('name')} maxlength="64" value=${pair.name} onInput=${(/** @type {Typed} */ { target }) => change(index, { name: target.value })} />
        <input aria-label=${t('metadata_value', { n: index + 1 })} placeholder=${t('value')} maxlength="512" value=${pair.value} onInput=${(/** @type {Typed} */ { target }) => change(index, { value: target.value })} />
        <button type="button" class="quiet icon" aria-label=${t('remove', { name: pair.name || String(index + 1) })} onClick=${() => compose({ metadata: metadata.filter((_, at) => at !== index) })}>
          <${Icon} name="close" />
        </button>
      </div>`,
    )}
    ${
      canAddPair() &&
      html`<button type="button" class="small" onClick=${() => compose({ metadata: [...metadata, { name: '', value: '' }] })}>
      <${Icon} name="plus" />${t('metadata_add')}
    </button>`
    }
    <${Fault} name="metadata" fault=${fault} />
  </fieldset>`
}

/** What a job that is changed was asked for beside that: it goes along unless it is taken out. */
export function OtherFields() {
  const { others } = useValue(form)
  if (others.length === 0) return null
  return html`<div class="field">
    <p>${t('others')}<span class="hint">${t('others_hint')}</span></p>
    <ul class="chosen-list">
      ${others.map(
        pair => html`<li class="chosen" key=${pair[0]}>
          <span class="chosen-name" title=${fieldText(pair[1])}>${pair[0]}<small>${fieldText(pair[1])}</small></span>
          <button type="button" class="quiet icon" aria-label=${t('remove', { name: pair[0] })} onClick=${() => compose({ others: others.filter(one => one !== pair) })}><${Icon} name="close" /></button>
        </li>`,
      )}
    </ul>
  </div>`
}

const qualities = /** @type {const} */ (['low', 'medium', 'high'])

/** What is seldom needed. @param {{ takesMask: boolean }} props */
export function MoreFields({ takesMask }) {
  const filled = useValue(form)
  const quality = useFault('quality')
  const timeout = useFault('timeout_s')
  const webhook = useFault('webhook_url')
  const isOwnQuality = filled.quality !== '' && !qualities.some(one => one === filled.quality)
  const isFaulty = [quality, timeout, webhook, useFault('metadata'), useFault('mask')].some(one => one.fault !== null)
  return html`<details class="more-fields" open=${isFaulty || undefined}>
    <summary>${t('more_fields')}${takesMask && filled.mask !== null && html`<span class="hint">${t('mask')}</span>`}</summary>
    <div class="stack">
      ${takesMask && html`<${MaskField} />`}
      <${Field} name="quality" label=${t('quality')} fault=${quality.fault}>
        <select ...${quality.control} value=${filled.quality} onChange=${(/** @type {{ target: HTMLSelectElement }} */ { target }) => compose({ quality: target.value })}>
          <option value="">${t('quality_auto')}</option>
          ${qualities.map(one => html`<option value=${one} key=${one}>${t(`quality_${one}`)}</option>`)}
          ${isOwnQuality && html`<option value=${filled.quality}>${filled.quality}</option>`}
        </select>
      <//>
      <${Field} name="timeout_s" label=${t('timeout')} hint=${t('timeout_hint')} fault=${timeout.fault}>
        <input ...${timeout.control} inputmode="numeric" placeholder="2400" value=${filled.timeout} onInput=${(/** @type {Typed} */ { target }) => compose({ timeout: target.value })} />
      <//>
      <${Field} name="webhook_url" label=${t('webhook')} hint=${t('webhook_hint')} fault=${webhook.fault}>
        <input ...${webhook.control} type="url" placeholder="https://example.com/hook" value=${filled.webhook} onInput=${(/** @type {Typed} */ { target }) => compose({ webhook: target.value })} />
      <//>
      <${Metadata} />
    </div>
  </details>`
}
