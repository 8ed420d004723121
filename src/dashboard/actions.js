// @ts-check
import { ask, askPicture } from './api.js'
import { confirm } from './dialogs.js'
import { clearForm, compose, defaultModel, sizeKind } from './form.js'
import { models } from './models.js'
import { say } from './notices.js'
import { pick, pickUrl } from './picked.js'
import { picturesSent } from './pictures.js'
import { go, jobLink } from './route.js'
import { forget, take } from './shelf.js'
import { isUnknown, newIdempotencyKey } from './submit.js'
import { submitWords, troubleWords } from './trouble.js'
import { t } from './words.js'

/** @typedef {import('./types.d.ts').Job} Job */
/** @typedef {import('./pictures.js').Shown} Shown */

/** @param {Job} job */
export async function cancel(job) {
  const mayCost = job.status === 'processing'
  const sure = await confirm({
    title: t('cancel_title'),
    text: t(mayCost ? 'cancel_processing' : 'cancel_queued'),
    action: t('cancel'),
    isDanger: mayCost,
  })
  if (!sure) return
  /** @type {import('./types.d.ts').Answer<Job>} */
  const answer = await ask(`jobs/${job.id}/cancel`, { method: 'POST' })
  if (!answer.ok) return say(troubleWords(answer.trouble), 'bad')
  take(answer.body)
  say(t('canceled'))
}

/** Keys of retries of which nobody knows what became: the next try of the same job is under the same one. @type {Map<string, string>} */
const openRetries = new Map()

/** @param {Job} job */
export async function retry(job) {
  const text = job.cost.billable === 'no' ? t('retry_text') : t('retry_twice')
  if (!(await confirm({ title: t('retry_title'), text, action: t('retry'), isDanger: false }))) return
  const idempotencyKey = openRetries.get(job.id) ?? newIdempotencyKey()
  openRetries.set(job.id, idempotencyKey)
  /** @type {import('./types.d.ts').Answer<Job>} */
  const answer = await ask(`jobs/${job.id}/retry`, { method: 'POST', headers: { 'idempotency-key': idempotencyKey } })
  if (answer.ok || !isUnknown(answer.trouble)) openRetries.delete(job.id)
  if (answer.ok) {
    take(answer.body)
    say(t('taken'))
    return go(jobLink(answer.body.id))
  }
  say(submitWords(answer.trouble), 'bad')
  if (answer.trouble.job_id !== null) go(jobLink(answer.trouble.job_id))
}

/** @param {Job} job */
export async function remove(job) {
  if (!(await confirm({ title: t('delete_title'), text: t('delete_text'), action: t('delete'), isDanger: true }))) return
  const answer = await ask(`jobs/${job.id}`, { method: 'DELETE' })
  // Gone already is what was wanted.
  if (!answer.ok && answer.trouble.status !== 404) return say(troubleWords(answer.trouble), 'bad')
  go('#/')
  forget(job.id)
  say(t('deleted'))
}

/** @param {Job} job */
export async function redeliver(job) {
  const answer = await ask(`jobs/${job.id}/redeliver`, { method: 'POST' })
  if (answer.ok) say(t('redelivered'))
  else say(troubleWords(answer.trouble), 'bad')
}

/** @param {Shown} picture */
async function fileOf(picture) {
  const blob = await askPicture(picture.path)
  return blob === null ? null : new File([blob], picture.name, { type: blob.type })
}

/** Opens the form with a result in it. @param {Shown} picture */
export async function editAgain(picture) {
  const file = await fileOf(picture)
  if (file === null) return say(t('picture_missing'), 'bad')
  clearForm()
  compose({ pictures: [pick(file)] })
  go('#/new')
}

/** The fields of the form for a job's size. @param {Job} job */
function sizeFields(job) {
  const size = typeof job.params['size'] === 'string' ? job.params['size'] : ''
  const model = models.get().find(one => one.id === job.model)
  const preset = model?.sizes?.find(one => one.size === size)
  if (preset !== undefined) return { ratio: preset.ratio, resolution: preset.resolution }
  const isOwn = sizeKind(model) === 'presets' && size !== '' && size !== 'auto'
  return { size, ratio: isOwn ? 'custom' : '' }
}

/** Opens the form with what a job was asked for. @param {Job} job */
export async function changeAndSend(job) {
  const sent = await Promise.all(
    picturesSent(job).map(async picture => {
      const file = await fileOf(picture)
      return { role: picture.given.role, picked: file === null ? pickUrl(picture.given.url) : pick(file) }
    }),
  )
  const { quality, size: _, ...others } = job.params
  clearForm()
  compose({
    pictures: sent.filter(({ role }) => role === 'image').map(({ picked }) => picked),
    mask: sent.find(({ role }) => role === 'mask')?.picked ?? null,
    prompt: job.prompt,
    model: job.model === '' ? defaultModel : job.model,
    isOtherModel: !models.get().some(one => one.id === job.model),
    n: String(job.n),
    quality: typeof quality === 'string' ? quality : '',
    metadata: Object.entries(job.metadata).map(([name, value]) => ({ name, value })),
    others: Object.entries(others),
    ...sizeFields(job),
  })
  go('#/new')
}
