import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasBrowser, launchBrowser } from '../support/browser.ts'
import { startReceiver } from '../support/receiver.ts'
import { startTestService } from '../support/service.ts'
import { allJobs, patienceMs, pictureFile, submitJob, visit } from './visitor.ts'

let browser: Browser

describe.skipIf(!hasBrowser)('when something is in the way', { timeout: 90_000 }, () => {
  beforeAll(async () => {
    browser = await launchBrowser()
  }, 60_000)
  afterAll(() => browser?.close())

  test('a wrong key is refused in words, the right one opens the page for this tab alone, and can be forgotten', async () => {
    const service = await startTestService({ API_KEYS: 'ann:key-of-ann', FETCH_ALLOW_PRIVATE: 'true' })
    const headers = { authorization: 'Bearer key-of-ann' }
    const first = await submitJob(service, { prompt: 'grey' }, headers)
    await (await service.call(`/jobs/${first.id}?wait=20`, { headers })).json()
    const { page, forgive } = await visit(browser, service)
    forgive(/401 \(Unauthorized\)/)
    const field = page.getByRole('textbox', { name: 'API key' })
    await field.fill('wrong')
    await page.keyboard.press('Enter')
    await page.getByText('This key is not valid').waitFor()
    await field.fill('key-of-ann')
    await page.keyboard.press('Enter')
    await page.getByRole('img', { name: 'Picture 1 after the edit: grey' }).waitFor()
    expect(await page.evaluate('JSON.stringify(sessionStorage)')).toContain('key-of-ann')
    expect(await page.evaluate('JSON.stringify(localStorage) + document.cookie')).not.toContain('key-of-ann')
    await page.reload()
    await page.getByRole('img', { name: 'Picture 1 after the edit: grey' }).waitFor()

    await page.getByRole('button', { name: 'Forget key' }).click()
    await page.getByRole('dialog').waitFor()
    expect(await page.evaluate('sessionStorage.length')).toBe(0)
    expect(await page.locator('.card:not(.skeleton)').count()).toBe(0)
  })

  test('who gives no key is not asked again and again, and too many wrong ones are told as that', async () => {
    const service = await startTestService({ API_KEYS: 'ann:key-of-ann' })
    const { page, forgive } = await visit(browser, service)
    forgive(/401 \(Unauthorized\)|429 \(Too Many Requests\)/)
    await page.clock.install()
    await page.reload()
    await page.getByRole('button', { name: 'Not now' }).click()
    await page.getByText('You need an API key').waitFor()
    const asked: string[] = []
    page.on('request', request => asked.push(request.url()))
    await page.clock.runFor(90_000)
    expect(asked).toEqual([])

    await page.getByRole('button', { name: 'Enter the key' }).click()
    await page.route('**/jobs?limit=1', route => route.fulfill({ status: 429, headers: { 'retry-after': '20' }, json: {} }))
    await page.getByRole('textbox', { name: 'API key' }).fill('wrong')
    await page.keyboard.press('Enter')
    await page.getByText('Too many tries. Try again in').waitFor()
  })

  test('only a submit that got no clear answer is told as one that may have been taken', async () => {
    const service = await startTestService()
    const job = await service.ended((await submitJob(service, { prompt: 'grey' })).id)
    const { page, forgive } = await visit(browser, service, { path: `#/jobs/${job.id}` })
    forgive(/50[23]/)
    await page.getByRole('button', { name: 'Delete' }).waitFor()
    await page.route('**/jobs/*', route =>
      route.request().method() === 'DELETE'
        ? route.fulfill({ status: 503, json: { error: { code: 'unavailable' } } })
        : route.fallback(),
    )
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await page.getByText('The service cannot do this just now').waitFor()

    await page.route('**/jobs', route => route.fulfill({ status: 502, body: 'Bad Gateway' }))
    await page.getByRole('link', { name: 'New edit' }).click()
    await page.locator('#field-image').setInputFiles([await pictureFile()])
    await page.getByLabel('Prompt').fill('grey')
    await page.getByRole('button', { name: 'Edit – 1×' }).click()
    await page.getByRole('alert').getByText('It is not known whether the edit was taken').waitFor()
  })

  test('with a key, a picture that was given by its URL is shown too', async () => {
    const service = await startTestService({ API_KEYS: 'ann:key-of-ann', FETCH_ALLOW_PRIVATE: 'true' })
    const headers = { authorization: 'Bearer key-of-ann', 'content-type': 'application/json' }
    const first = await submitJob(service, { prompt: 'grey' }, { authorization: headers.authorization })
    const image = first.inputs[0]?.url ?? ''
    const answer = await service.submit({ prompt: 'by its URL', image, model: 'gpt-image-2' }, headers)
    const { id } = (await answer.json()) as { id: string }
    const { page, forgive } = await visit(browser, service, { path: `#/jobs/${id}` })
    forgive(/401 \(Unauthorized\)/)
    await page.getByRole('textbox', { name: 'API key' }).fill('key-of-ann')
    await page.keyboard.press('Enter')
    const before = page.getByRole('img', { name: 'Picture 1 before the edit: by its URL' })
    await before.waitFor()
    await expect.poll(() => before.getAttribute('src'), { timeout: patienceMs }).toMatch(/^blob:/)
  })

  test('a failure says what to do', async () => {
    const service = await startTestService()
    const { page, forgive } = await visit(browser, service)
    forgive(/403 \(Forbidden\)/)
    await page.locator('#field-image').setInputFiles([await pictureFile()])
    await page.getByLabel('Prompt').fill('grey fault:moderation')
    await page.getByRole('button', { name: 'Edit – 1×' }).click()
    const alert = 'The provider’s moderation refused it. Change the prompt or the picture'
    await page.getByRole('alert').getByText(alert).waitFor()
    await page.getByRole('link', { name: 'See the failed job' }).click()
    await page.locator('.callout.bad').getByText('The provider’s moderation refused it').waitFor()
    const told = async (on: Page, title: string, advice: string): Promise<void> => {
      await on.locator('.callout.bad').getByText(title).waitFor()
      await on.locator('.callout.bad').getByText(advice).waitFor()
    }
    const broken = await service.ended((await submitJob(service, { prompt: 'grey fault:failed' })).id)
    await page.goto(`${service.url}/#/jobs/${broken.id}`)
    await told(page, 'Something broke at the provider', 'Such failures are not charged')
    await page.locator('.timeline li', { hasText: 'Failure came by callback' }).locator('[data-icon=failed]').waitFor()
    const unpaid = await submitJob(service, { prompt: 'grey fault:used_up' })
    await page.goto(`${service.url}/#/jobs/${unpaid.id}`)
    await told(page, 'The provider’s balance is used up', 'Top up the account at the provider')
    // Another service: after such a refusal, one submits nothing for a while.
    const other = await startTestService()
    const locked = await submitJob(other, { prompt: 'grey fault:bad_key' })
    const { page: its } = await visit(browser, other, { path: `#/jobs/${locked.id}` })
    await told(its, 'The provider refuses our key', 'Check PROVIDER_API_KEY')
    await its.locator('.callout.bad').getByText('The provider says: invalid_token').waitFor()
    const lost = await startTestService()
    const redirected = await submitJob(lost, { prompt: 'grey fault:redirect' })
    const { page: theirs } = await visit(browser, lost, { path: `#/jobs/${redirected.id}` })
    await theirs.locator('.callout.bad').getByText('Reason: redirected').waitFor()
  })

  test('a running job is canceled after a question, and sent again after another', async () => {
    const service = await startTestService()
    const job = await submitJob(service, { prompt: 'grey fault:empty' })
    const { page } = await visit(browser, service, { path: `#/jobs/${job.id}` })
    const cancel = page.getByRole('button', { name: 'Cancel' })
    await cancel.click()
    await page.getByRole('dialog').getByText('may still charge').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    expect((await allJobs(service))[0]?.status).toBe('processing')
    await page.locator('button:focus', { hasText: 'Cancel' }).waitFor()
    await cancel.click()
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
    await page.locator('.job-head [data-status=canceled]').waitFor()
    await page.getByText('It may have been charged').waitFor()

    await page.getByRole('button', { name: 'Retry' }).click()
    await page.getByRole('dialog').getByText('a new charge').waitFor()
    await page.getByRole('dialog').getByRole('button', { name: 'Retry' }).click()
    await page.getByRole('link', { name: job.id }).waitFor()
    expect((await allJobs(service))[0]?.retry_of).toBe(job.id)
  })

  test('a submit whose answer was lost is told as one that may be charged', async () => {
    const service = await startTestService()
    const job = await submitJob(service, { prompt: 'grey fault:timeout fault:empty' })
    const { page } = await visit(browser, service, { path: `#/jobs/${job.id}` })
    await page
      .getByText('It may be running, and may be charged')
      .or(page.getByText('may be running, and may be charged'))
      .waitFor()
    await page.getByText('Submitted, but the answer was lost').waitFor()
  })

  test('a result that comes after a cancel is shown as one that came late', async () => {
    const service = await startTestService({ SANDBOX_DELAY_MS: '800' })
    const job = await submitJob(service, { prompt: 'grey' })
    expect((await service.call(`/jobs/${job.id}/cancel`, { method: 'POST' })).status).toBe(200)
    const { page } = await visit(browser, service, { path: `#/jobs/${job.id}` })
    await page.getByText('A result came after the end of this job').waitFor()
    await page.getByRole('img', { name: 'Picture 1 that came late, after the edit: grey' }).waitFor()
    await page.locator('.job-head [data-status=canceled]').waitFor()
  })

  test('a picture that is not kept here yet is said to be so, with the way to the provider, and shown once it is', async () => {
    const service = await startTestService()
    const job = await submitJob(service, { prompt: 'grey fault:404-picture' })
    const { page, forgive } = await visit(browser, service, { path: `#/jobs/${job.id}` })
    forgive(/503 \(Service Unavailable\)/)
    await page.getByRole('img', { name: 'could not be copied from the provider yet' }).first().waitFor()
    const [image] = (await service.ended(job.id)).result?.data ?? []
    const link = page.getByRole('link', { name: 'At the provider' })
    expect(await link.getAttribute('href')).toBe(image?.provider_url)
    const bytes = (await pictureFile()).buffer
    await page.route('**/images/0?*', route => route.fulfill({ contentType: 'image/png', body: bytes }))
    await page.locator('img[alt^="Picture 1 after"]').first().waitFor()
  })

  test('webhooks are shown with each attempt, and sent again on demand', async () => {
    const receiver = await startReceiver(count => ({ status: count === 1 ? 410 : 204 }))
    const service = await startTestService({ WEBHOOK_ALLOW_PRIVATE: 'true' })
    const job = await submitJob(service, { prompt: 'grey', webhook_url: receiver.url })
    const { page } = await visit(browser, service, { path: `#/jobs/${job.id}` })
    await page.getByText('Webhook job.succeeded failed').waitFor()
    await page.getByText('Pictures kept here').waitFor()
    const steps = await page.locator('.timeline .step-title').allTextContents()
    const at = (words: string): number => steps.findIndex(step => step.includes(words))
    expect(at('Pictures kept here')).toBeGreaterThan(at('Succeeded'))
    expect(at('Pictures kept here')).toBeLessThan(at('Webhook'))
    await page.getByRole('button', { name: 'Send webhooks again' }).click()
    await page.getByText('Webhook job.succeeded delivered').waitFor()
    expect(receiver.received).toHaveLength(2)
  })

  test('a job that is not there is said not to be there', async () => {
    const service = await startTestService()
    const { page, forgive } = await visit(browser, service, { path: '#/jobs/job_0000000000000000000000000000' })
    forgive(/404 \(Not Found\)/)
    await page.getByText('There is no such edit').waitFor()
    await page.getByRole('link', { name: 'Show all edits' }).click()
    await page.getByRole('heading', { name: 'Edit your first picture' }).waitFor()
  })
})
