// @ts-check
import { Choices, Field, useFault } from './fields.js'
import { compose, form, multiplierOf, sizeKind, sizeOf } from './form.js'
import { number } from './format.js'
import { html } from './htm-preact.js'
import { useValue } from './state.js'
import { t } from './words.js'

/** @typedef {import('./types.d.ts').Model} Model */

/** The shape of a ratio, drawn. @param {{ ratio: string }} props */
function Shape({ ratio }) {
  const [wide = 1, high = 1] = ratio.split(':').map(Number)
  const scale = 16 / Math.max(wide, high)
  const [width, height] = [wide * scale, high * scale]
  return html`<svg class="shape" viewBox="0 0 20 20" aria-hidden="true"><rect x=${10 - width / 2} y=${10 - height / 2} width=${width} height=${height} rx="1.5" /></svg>`
}

/** @param {{ model: Model | undefined }} props */
function TypedSize({ model }) {
  const filled = useValue(form)
  const { fault, control } = useFault('size')
  const hint = sizeKind(model) === 'presets' ? t('size_custom_hint') : t('size_text_hint')
  return html`<${Field} name="size" label=${t('size_custom')} hint=${hint} fault=${fault}>
    <input
      ...${control}
      inputmode="text"
      autocomplete="off"
      placeholder="1024x1536"
      value=${filled.size}
      onInput=${(/** @type {{ target: HTMLInputElement }} */ { target }) => compose({ size: target.value })}
    />
  <//>`
}

/** The sizes that the model takes, with their price. @param {{ model: Model | undefined }} props */
export function SizeField({ model }) {
  const filled = useValue(form)
  const { fault } = useFault('size')
  const kind = sizeKind(model)
  if (kind === 'none') return html`<p class="hint">${t('size_none')}</p>`
  if (kind === 'text') return html`<${TypedSize} model=${model} />`
  const sizes = model?.sizes ?? []
  const ratios = [...new Set(sizes.map(one => one.ratio))]
  const isNamed = ratios.includes(filled.ratio)
  return html`<div class="sizes">
    <${Choices}
      name="ratio"
      label=${t('shape')}
      value=${filled.ratio}
      onChoose=${(/** @type {string} */ ratio) => compose({ ratio })}
      options=${[
        { value: '', text: t('size_auto') },
        ...ratios.map(ratio => ({ value: ratio, text: ratio, icon: html`<${Shape} ratio=${ratio} />` })),
        { value: 'custom', text: t('size_own') },
      ]}
    />
    ${
      isNamed &&
      html`<${Choices}
      name="resolution"
      label=${t('size')}
      value=${filled.resolution}
      onChoose=${(/** @type {string} */ resolution) => compose({ resolution })}
      options=${sizes
        .filter(one => one.ratio === filled.ratio)
        .map(one => ({
          value: one.resolution,
          text: `${one.resolution} · ${number(one.multiplier)}×`,
          more: one.size.replace('x', '×'),
        }))}
    />`
    }
    ${filled.ratio === 'custom' && html`<${TypedSize} model=${model} />`}
    ${isNamed && fault !== null && html`<p class="fault">${fault}</p>`}
    <p class="hint">${t('price_of_size', { times: number(multiplierOf(sizeOf(filled, model), model)) })}</p>
  </div>`
}
