// @ts-check

import { faults } from './form.js'
import { html } from './htm-preact.js'
import { Icon } from './icons.js'
import { useValue } from './state.js'

/** @typedef {import('./htm-preact.js').Node} Node */

/**
 * What a control needs to say of itself, so that its fault is read out with it.
 * @param {string} name the service's name of the field.
 */
export function useFault(name) {
  const fault = useValue(faults)[name] ?? null
  return {
    fault,
    control: {
      id: `field-${name}`,
      name,
      'aria-invalid': fault === null ? undefined : 'true',
      'aria-describedby': fault === null ? undefined : `fault-${name}`,
    },
  }
}

/** @param {{ name: string, fault: string | null }} props */
export function Fault({ name, fault }) {
  return fault === null ? null : html`<p class="fault" id=${`fault-${name}`}><${Icon} name="failed" />${fault}</p>`
}

/**
 * A label, its control, and what is wrong with it.
 * @param {{ name: string, label: string, hint?: string, fault: string | null, children?: Node }} props
 */
export function Field({ name, label, hint, fault, children }) {
  return html`<div class="field" data-field=${name}>
    <label for=${`field-${name}`}>${label}${hint !== undefined && html`<span class="hint">${hint}</span>`}</label>
    ${children}
    <${Fault} name=${name} fault=${fault} />
  </div>`
}

/**
 * A few choices side by side, one of which holds.
 * @param {{ name: string, label: string, value: string, options: readonly { value: string, text: string, more?: string, icon?: Node }[], onChoose: (value: string) => void }} props
 */
export function Choices({ name, label, value, options, onChoose }) {
  return html`<fieldset class="choices">
    <legend>${label}</legend>
    <div class="segments">
      ${options.map(
        option => html`<label key=${option.value} class="segment">
          <input type="radio" name=${name} value=${option.value} checked=${option.value === value} onChange=${() => onChoose(option.value)} />
          <span>${option.icon}<span>${option.text}</span>${option.more !== undefined && html`<small>${option.more}</small>`}</span>
        </label>`,
      )}
    </div>
  </fieldset>`
}
