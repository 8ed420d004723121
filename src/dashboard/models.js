// @ts-check
import { ask } from './api.js'
import { makeState } from './state.js'

/** @typedef {import('./types.d.ts').Model} Model */

/** The models that the service knows. @type {import('./state.js').State<readonly Model[]>} */
export const models = makeState(/** @type {readonly Model[]} */ ([]))

export async function loadModels() {
  /** @type {import('./types.d.ts').Answer<{ data: Model[] }>} */
  const answer = await ask('v1/models')
  if (answer.ok) models.set(answer.body.data)
}

/** Whether results come from the sandbox, so that nothing is charged. */
export const onSandbox = makeState(false)

export async function loadProvider() {
  /** @type {import('./types.d.ts').Answer<{ provider?: string }>} */
  const answer = await ask('readyz')
  if (answer.ok) onSandbox.set(answer.body.provider === 'sandbox')
}
