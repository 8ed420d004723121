import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasBrowser, launchBrowser } from '../support/browser.ts'
import { startTestService } from '../support/service.ts'
import { submitJob, visit } from './visitor.ts'

let browser: Browser

describe.skipIf(!hasBrowser)('the gallery', () => {
  beforeAll(async () => {
    browser = await launchBrowser()
  }, 60_000)
  afterAll(() => browser?.close())

  test('shows older edits on demand, and only those that fit its filters', async () => {
    const service = await startTestService({ SANDBOX_DELAY_MS: '5' })
    for (let count = 0; count < 26; count += 1) await submitJob(service, { prompt: `grey ${count}`, model: 'gpt-image-1' })
    await submitJob(service, { prompt: 'no fault:moderation', model: 'nano-banana' })
    const { page } = await visit(browser, service)
    await page.getByText('no fault:moderation').waitFor()
    expect(await page.locator('.card:not(.skeleton)').count()).toBe(24)
    await page.getByRole('button', { name: 'Show older edits' }).click()
    await page.getByText('grey 0', { exact: true }).waitFor()
    expect(await page.locator('.card:not(.skeleton)').count()).toBe(27)

    await page.getByRole('link', { name: 'Failed', exact: true }).click()
    const prompts = (): Promise<string[]> => page.locator('.card .prompt').allTextContents()
    await expect.poll(prompts).toEqual(['no fault:moderation'])
    await page.getByLabel('Model').last().selectOption('gpt-image-1')
    await page.getByText('No edit fits these filters.').waitFor()
    await page.goBack()
    await page.getByText('no fault:moderation').waitFor()
    await page.reload()
    await page.getByText('no fault:moderation').waitFor()
    expect(await page.locator('.card:not(.skeleton)').count()).toBe(1)
  })

  test('follows what others do: a job comes, goes on, leaves its filter, and vanishes when it is deleted', async () => {
    const service = await startTestService({ SANDBOX_DELAY_MS: '1500' })
    const { page, forgive } = await visit(browser, service)
    await page.getByText('Live', { exact: true }).waitFor()
    const job = await submitJob(service, { prompt: 'mirror it' })
    const card = page.locator(`[data-job=${job.id}]`)
    await card.locator('[data-status=processing]').waitFor()
    await card.getByRole('timer').waitFor()
    await card.locator('[data-status=succeeded]').waitFor()
    await card.getByRole('img', { name: 'Picture 1 after the edit: mirror it' }).waitFor()
    expect((await service.call(`/jobs/${job.id}`, { method: 'DELETE' })).status).toBe(204)
    // Its picture may just have been asked for.
    forgive(/404 \(Not Found\)/)
    // As when its tab is shown again: no event tells of a deletion.
    await page.evaluate(`document.dispatchEvent(new Event('visibilitychange'))`)
    await card.waitFor({ state: 'detached' })

    // A filter holds for what comes, too: it shows up, and goes when it does not fit any more.
    await page.goto(`${service.url}/#/?status=processing`)
    await page.getByText('No edit fits these filters.').waitFor()
    const other = await submitJob(service, { prompt: 'rotate it' })
    await page.locator(`[data-job=${other.id}]`).waitFor()
    await page.getByText('No edit fits these filters.').waitFor()
    expect((await service.ended(other.id)).status).toBe('succeeded')
  })

  test('speaks Chinese to whom prefers it, and another language on demand, for good', async () => {
    const service = await startTestService()
    const { page } = await visit(browser, service, { locale: 'zh-CN' })
    await page.getByRole('heading', { name: '开始你的第一次修图' }).waitFor()
    expect(await page.locator('html').getAttribute('lang')).toBe('zh-CN')
    await page.getByRole('button', { name: '用示例图片试一试' }).click()
    await page.locator('.job-head').getByText('已完成').waitFor()
    await page.getByText('通过回调收到结果').waitFor()
    await page.getByRole('button', { name: 'EN', exact: true }).click()
    await page.getByText('Result came by callback').waitFor()
    await page.reload()
    await page.getByText('Result came by callback').waitFor()
    expect(await page.locator('html').getAttribute('lang')).toBe('en')
  })

  test('says that it is offline, that it waits after too many requests, and goes on by itself', async () => {
    const service = await startTestService({ RATE_LIMIT_MAX: '1', RATE_LIMIT_WINDOW_S: '3' })
    const { page, forgive } = await visit(browser, service)
    forgive(/Failed to load resource/)
    await page.getByText('Live', { exact: true }).waitFor()
    await page.context().setOffline(true)
    await page.getByText('The service cannot be reached').waitFor()
    await page.context().setOffline(false)
    await page.getByText('The service cannot be reached').waitFor({ state: 'detached' })
    // Ten reads in three seconds are what it has.
    for (let count = 0; count < 11; count += 1) await service.call('/jobs')
    await page.evaluate(`document.dispatchEvent(new Event('visibilitychange'))`)
    await page.getByText('Too many requests: going on').waitFor()
    await page.getByText('Too many requests: going on').waitFor({ state: 'detached' })
  })
})
