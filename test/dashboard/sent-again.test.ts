import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Browser, Page } from 'playwright-core'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasBrowser, launchBrowser } from '../support/browser.ts'
import { type Running, startTestService } from '../support/service.ts'
import { allJobs, patienceMs, pictureFile, submitJob, visit } from './visitor.ts'

let browser: Browser

/** A job with a mask, and with parameters that the form has no field for. */
async function maskedJob(service: Running) {
  const form = new FormData()
  const fields = { prompt: 'grey', background: 'transparent', house_style: 'ours' }
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  for (const name of ['image', 'mask']) {
    const { buffer } = await pictureFile()
    // A mask has an alpha channel.
    const bytes = name === 'mask' ? await sharp(buffer).ensureAlpha(0).png().toBuffer() : buffer
    form.append(name, new Blob([new Uint8Array(bytes)]), `${name}.png`)
  }
  // This service's own answer.
  const { id } = (await (await service.call('/jobs', { method: 'POST', body: form })).json()) as { id: string }
  return service.ended(id)
}

const rolesOf = (service: Running): (string | undefined)[] =>
  (service.sandbox?.submits ?? []).map(({ images, mask }) => `${images.length} ${mask === null ? 'bare' : 'masked'}`)

/** Lets go of a picture over a part of the page, as a person does. */
async function drop(page: Page, selector: string): Promise<void> {
  await page.evaluate(`{
    const data = new DataTransfer()
    data.items.add(new File(['x'], 'dropped.png', { type: 'image/png' }))
    const event = new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true })
    document.querySelector(${JSON.stringify(selector)}).dispatchEvent(event)
  }`)
}

describe.skipIf(!hasBrowser)('what is sent from the page', { timeout: 90_000 }, () => {
  beforeAll(async () => {
    browser = await launchBrowser()
  }, 60_000)
  afterAll(() => browser?.close())

  test('a mask stays a mask, and parameters without a field go along, when a job is changed and sent', async () => {
    const service = await startTestService()
    const job = await maskedJob(service)
    const { page } = await visit(browser, service, { path: `#/jobs/${job.id}` })
    await page.getByRole('img', { name: 'Mask of the edit: grey' }).waitFor()
    expect(await page.getByRole('button', { name: /^Before/ }).count()).toBe(0)
    await page.getByRole('button', { name: 'Change and send' }).click()
    // Its value stands in the form alone; its name is on the job's page too, which is still there for a moment.
    await page.getByTitle('ours').getByText('house_style').waitFor()
    expect(await page.locator('[data-field=image] .chosen').count()).toBe(1)
    await page.getByRole('button', { name: 'Remove house_style' }).click()
    await page.getByLabel('Prompt').fill('blur it')
    await page.getByRole('button', { name: 'Edit – 1×' }).click()
    await page.getByRole('heading', { level: 1, name: 'blur it' }).waitFor()
    const [next] = await allJobs(service)
    expect(next?.inputs.map(input => input.role)).toEqual(['image', 'mask'])
    expect(next?.params).toEqual({ background: 'transparent' })
    expect(rolesOf(service)).toEqual(['1 masked', '1 masked'])
  })

  test('the copied curl line sends a mask as a mask', async () => {
    const service = await startTestService()
    const job = await maskedJob(service)
    const permissions = ['clipboard-read', 'clipboard-write']
    const { page } = await visit(browser, service, { path: `#/jobs/${job.id}`, permissions })
    await page.getByRole('button', { name: 'Copy as curl' }).click()
    await page.getByText('Copied').waitFor()
    const line = String(await page.evaluate('navigator.clipboard.readText()'))
    const { stdout } = await promisify(execFile)('sh', ['-c', `cd "$(mktemp -d)" && ${line}`])
    expect(JSON.parse(stdout)).toMatchObject({ params: job.params, inputs: [{ role: 'image' }, { role: 'mask' }] })
  })

  test('a picture that is dropped on the mask is the mask, and anywhere else one to edit', async () => {
    const service = await startTestService()
    const { page } = await visit(browser, service, { path: '#/new' })
    await page.getByText('More settings').click()
    await drop(page, '#field-mask')
    await page.locator('[data-field=mask] .chosen').getByText('dropped.png').waitFor()
    expect(await page.locator('[data-field=image] .chosen').count()).toBe(0)
    await drop(page, 'main')
    await page.locator('[data-field=image] .chosen').waitFor()
  })

  test('a URL that is none is told at once, and one that was typed but not added is sent', async () => {
    const service = await startTestService({ FETCH_ALLOW_PRIVATE: 'true' })
    const pictureUrl = (await submitJob(service, { prompt: 'first' })).inputs[0]?.url ?? ''
    const { page } = await visit(browser, service, { path: '#/new' })
    await page.getByLabel('Prompt').fill('grey')
    const url = page.getByLabel('URL of a picture')
    await url.fill('photo.png')
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    await page.locator('#fault-image').getByText('Write a whole URL of a picture').waitFor()
    await page.getByRole('button', { name: 'Edit – 1×' }).click()
    await page.locator('#fault-image').waitFor()
    expect(await allJobs(service)).toHaveLength(1)
    await url.fill(pictureUrl)
    await page.getByRole('button', { name: 'Edit – 1×' }).click()
    await page.getByRole('heading', { level: 1, name: 'grey' }).waitFor()
    expect((await allJobs(service))[0]?.inputs).toMatchObject([{ role: 'image', url: pictureUrl }])
  })

  test('what is typed while an edit is on its way is still there when it was taken', async () => {
    const service = await startTestService()
    const { page } = await visit(browser, service, { path: '#/new' })
    const { promise: typed, resolve: goOn } = Promise.withResolvers<void>()
    await page.route('**/jobs', async route => {
      if (route.request().method() === 'POST') await typed
      await route.fallback()
    })
    await page.locator('#field-image').setInputFiles([await pictureFile()])
    await page.getByLabel('Prompt').fill('grey')
    await page.getByRole('button', { name: 'Edit – 1×' }).click()
    await page.getByLabel('Prompt').fill('the next one')
    goOn()
    await page.getByRole('heading', { level: 1, name: 'grey' }).waitFor()
    await expect.poll(() => page.locator('#field-prompt').inputValue(), { timeout: patienceMs }).toBe('the next one')
    expect((await allJobs(service)).map(job => job.prompt)).toEqual(['grey'])
  })
})
