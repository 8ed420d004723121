// @ts-check

import { drawExample } from './example.js'
import { clearForm, compose } from './form.js'
import { html, useEffect, useState } from './htm-preact.js'
import { Icon } from './icons.js'
import { onSandbox } from './models.js'
import { say } from './notices.js'
import { pick } from './picked.js'
import { go, jobLink } from './route.js'
import { useValue } from './state.js'
import { submit } from './submit.js'
import { submitWords } from './trouble.js'
import { t } from './words.js'

/** On the sandbox the example is sent at once; elsewhere it would cost, and only fills the form. */
async function tryExample() {
  clearForm()
  compose({ pictures: [pick(await drawExample())], prompt: t('example_prompt') })
  if (!onSandbox.get()) return go('#/new')
  const outcome = await submit(() => {})
  if (outcome.ok) return go(jobLink(outcome.job.id))
  say(submitWords(outcome.trouble), 'bad')
  go('#/new')
}

/** The example as it is, and as the sandbox makes it when it is asked for the dark. */
function Preview() {
  const [url, setUrl] = useState(/** @type {string | null} */ (null))
  useEffect(() => {
    let drawn = ''
    let wanted = true
    void drawExample().then(file => {
      if (!wanted) return
      drawn = URL.createObjectURL(file)
      setUrl(drawn)
    })
    return () => {
      wanted = false
      URL.revokeObjectURL(drawn)
    }
  }, [])
  return html`<div class="preview" aria-hidden="true">
    ${url !== null && html`<img src=${url} width="1024" height="768" alt="" /><img class="edited" src=${url} width="1024" height="768" alt="" />`}
    <span class="corner start">${t('before')}</span><span class="corner end">${t('after')}</span>
  </div>`
}

/** What stands where there is no job yet. */
export function Welcome() {
  const sandbox = useValue(onSandbox)
  const [busy, setBusy] = useState(false)
  const start = () => {
    setBusy(true)
    void tryExample().finally(() => setBusy(false))
  }
  return html`<div class="welcome">
    <${Preview} />
    <div>
      <h2>${t('welcome_title')}</h2>
      <p class="lead">${t('welcome_lead')}</p>
      <ol class="steps">
        <li><strong>${t('welcome_1')}</strong><span>${t('welcome_1_more')}</span></li>
        <li><strong>${t('welcome_2')}</strong><span>${t('welcome_2_more')}</span></li>
        <li><strong>${t('welcome_3')}</strong><span>${t('welcome_3_more')}</span></li>
      </ol>
      <p class="buttons">
        <button type="button" class="primary" disabled=${busy} onClick=${start}>
          <${Icon} name="picture" />${sandbox ? t('example_go') : t('example_fill')}
        </button>
        <a class="button" href="docs">${t('docs')}</a>
      </p>
      <p class="hint">${sandbox ? t('welcome_sandbox') : t('welcome_real')}</p>
    </div>
  </div>`
}
