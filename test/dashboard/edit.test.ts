import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasBrowser, launchBrowser } from '../support/browser.ts'
import { startTestService } from '../support/service.ts'
import { allJobs, pictureFile, submitJob, visit } from './visitor.ts'

let browser: Browser

describe.skipIf(!hasBrowser)('at the dashboard', () => {
  beforeAll(async () => {
    browser = await launchBrowser()
  }, 60_000)
  afterAll(() => browser?.close())

  test('an edit is submitted, arrives without a reload, is compared by keyboard, and deleted', async () => {
    const service = await startTestService({ SANDBOX_DELAY_MS: '300' })
    const { page } = await visit(browser, service)
    await page.locator('#field-image').setInputFiles([await pictureFile()])
    await page.getByLabel('Prompt').fill('dark mode')
    await page.getByRole('radio', { name: 'Custom' }).check()
    for (const [size, price] of [
      ['1254x1254', '1×'],
      ['1264x1264', '1.5×'],
    ] as const) {
      await page.getByLabel('Width × height').fill(size)
      await page.getByRole('button', { name: `Edit – ${price}`, exact: true }).waitFor()
    }
    await page.getByRole('radio', { name: '16:9' }).check()
    await page.getByRole('radio', { name: /^2K/ }).check()
    await page.getByRole('spinbutton', { name: /Pictures/ }).fill('2')
    await page.getByRole('button', { name: 'Edit – 2 pictures, 3×' }).click()

    await page.getByRole('heading', { level: 1, name: 'dark mode' }).waitFor()
    await page.locator('.job-head [data-status=succeeded]').waitFor()
    const slider = page.getByRole('slider', { name: /Compare/ })
    await slider.focus()
    await page.keyboard.press('ArrowRight')
    await page.keyboard.press('ArrowRight')
    expect(await slider.inputValue()).toBe('52')
    await page.keyboard.press('Home')
    expect(await slider.getAttribute('aria-valuetext')).toBe('0% before')
    const shownWidth = (): Promise<unknown> =>
      page.evaluate(`document.querySelector('.slider img[alt^="Picture 1 after"]').naturalWidth`)
    await expect.poll(shownWidth).toBeGreaterThan(0)
    await page.getByRole('button', { name: 'After 2' }).click()
    await page.locator('.slider img[alt^="Picture 2 after"]').waitFor()
    await page.getByRole('button', { name: 'Side by side' }).click()
    expect(await page.locator('.sides figure').count()).toBe(2)
    await page.getByText('Result came by callback · task 1').waitFor()
    await page.getByText('1.5× base price, 2 tasks').waitFor()

    const [job] = await allJobs(service)
    expect(job).toMatchObject({ n: 2, params: { size: '2048x1152' }, status: 'succeeded' })
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('heading', { name: 'Edit your first picture' }).waitFor()
    expect(await allJobs(service)).toEqual([])
  })

  test('the example of the empty page is sent and edited with one click', async () => {
    const service = await startTestService()
    const { page } = await visit(browser, service)
    await page.getByRole('button', { name: 'Try it with an example' }).click()
    await page.locator('.job-head [data-status=succeeded]').waitFor()
    expect(await allJobs(service)).toMatchObject([{ inputs: [{ content_type: 'image/png' }], status: 'succeeded' }])
  })

  test('a double click is one job, and so is a second try after an answer that was lost', async () => {
    const service = await startTestService()
    const { page, forgive } = await visit(browser, service)
    forgive(/Failed to load resource/)
    const fill = async (prompt: string): Promise<void> => {
      await page.locator('#field-image').setInputFiles([await pictureFile()])
      await page.getByLabel('Prompt').fill(prompt)
    }
    await fill('dark mode')
    await page.getByRole('button', { name: 'Edit – 1×' }).dblclick()
    await page.locator('.job-head [data-status=succeeded]').waitFor()
    expect(await allJobs(service)).toHaveLength(1)

    await page.getByRole('link', { name: 'New edit' }).click()
    await fill('grey')
    await page.route('**/jobs', async route => {
      if (route.request().method() !== 'POST') return route.fallback()
      await route.fetch()
      await route.abort()
    })
    await page.getByRole('button', { name: 'Edit – 1×' }).click()
    await page.getByRole('alert').getByText('The service cannot be reached').waitFor()
    await page.unroute('**/jobs')
    await page.getByRole('button', { name: 'Edit – 1×' }).click()
    await page.getByRole('heading', { level: 1, name: 'grey' }).waitFor()
    expect((await allJobs(service)).map(job => job.prompt)).toEqual(['grey', 'dark mode'])
  })

  test('what is wrong is said at its field, before anything is sent and after', async () => {
    const service = await startTestService()
    const { page, forgive } = await visit(browser, service, { path: '#/new' })
    await page.getByRole('button', { name: 'Edit – 1×' }).click()
    await page.getByText('Add a picture to edit.').waitFor()
    await page.getByText('Say what should change.').waitFor()
    expect(await page.locator('#field-prompt').getAttribute('aria-describedby')).toBe('fault-prompt')
    expect(await allJobs(service)).toEqual([])

    forgive(/400 \(Bad Request\)/)
    await page.locator('#field-image').setInputFiles([await pictureFile()])
    await page.getByLabel('Prompt').fill('dark mode')
    await page.getByText('More settings').click()
    await page.getByLabel('Webhook URL').fill('http://127.0.0.1/hook')
    await page.getByRole('button', { name: 'Edit – 1×' }).click()
    await page.locator('#fault-webhook_url').waitFor()
    await page.locator('#field-webhook_url:focus').waitFor()
  })

  test('a result goes into a new edit, and a job can be changed and sent again', async () => {
    const service = await startTestService()
    const job = await service.ended((await submitJob(service, { prompt: 'grey', size: '1024x1536', quality: 'high' })).id)
    const { page } = await visit(browser, service, { path: `#/jobs/${job.id}` })
    await page.getByRole('button', { name: 'Edit the result' }).click()
    await page.getByText(`${job.id}-after-1.png`).waitFor()
    await page.goBack()
    await page.getByRole('button', { name: 'Change and send' }).click()
    await page.getByText(`${job.id}-before-1.png`).waitFor()
    expect(await page.getByLabel('Prompt').inputValue()).toBe('grey')
    expect(await page.getByRole('radio', { name: '3:4' }).isChecked()).toBe(true)
    await page.getByLabel('Prompt').fill('blur it')
    await page.getByRole('button', { name: 'Edit – 1×' }).click()
    await page.getByRole('heading', { level: 1, name: 'blur it' }).waitFor()
    expect((await allJobs(service))[0]).toMatchObject({ prompt: 'blur it', params: { size: '1024x1536', quality: 'high' } })
  })

  test('the copied curl line makes the same job, whatever is in its prompt', async () => {
    const service = await startTestService({ API_KEYS: 'ann:key-of-ann' })
    const headers = { authorization: 'Bearer key-of-ann' }
    const prompt = '@it\'s "dark" $HOME `id`; <b>\nsecond line'
    const first = await submitJob(service, { prompt, size: '1024x1536', metadata: '{"order":"it\'s 1"}' }, headers)
    await service.ended(first.id).catch(() => null)
    const { page, forgive } = await visit(browser, service, {
      path: `#/jobs/${first.id}`,
      permissions: ['clipboard-read', 'clipboard-write'],
    })
    forgive(/401/)
    await page.getByRole('textbox', { name: 'API key' }).fill('key-of-ann')
    await page.getByRole('button', { name: 'Use this key' }).click()
    await page.getByRole('button', { name: 'Copy as curl' }).click()
    await page.getByText('Copied').waitFor()
    const line = String(await page.evaluate('navigator.clipboard.readText()'))
    expect(line).toContain('Bearer $KEY')
    const { stdout } = await promisify(execFile)('sh', ['-c', `cd "$(mktemp -d)" && ${line}`], {
      env: { PATH: process.env['PATH'], KEY: 'key-of-ann' },
    })
    expect(JSON.parse(stdout)).toMatchObject({
      prompt: first.prompt,
      params: { size: '1024x1536' },
      metadata: { order: "it's 1" },
      inputs: [{ bytes: first.inputs[0]?.bytes }],
    })
  })
})
