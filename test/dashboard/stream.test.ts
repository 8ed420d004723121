import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasBrowser, launchBrowser } from '../support/browser.ts'
import { startTestService } from '../support/service.ts'
import { submitJob, visit } from './visitor.ts'

let browser: Browser

const isStream = (request: { url(): string }): boolean => new URL(request.url()).pathname === '/events'

/** As a browser tells a page that its tab went behind another, or came back. */
async function setHidden(page: Page, hidden: boolean): Promise<void> {
  await page.evaluate(`{
    Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true })
    document.dispatchEvent(new Event('visibilitychange'))
  }`)
}

describe.skipIf(!hasBrowser)('the stream of events', () => {
  beforeAll(async () => {
    browser = await launchBrowser()
  }, 60_000)
  afterAll(() => browser?.close())

  test('is let go by a tab that is not seen, and goes on where it was when it is', async () => {
    const service = await startTestService()
    const { page } = await visit(browser, service)
    await page.getByText('Live', { exact: true }).waitFor()
    await page.getByText('Sandbox', { exact: false }).first().waitFor()
    const job = await service.ended((await submitJob(service, { prompt: 'grey' })).id)
    await page.locator('.card [data-status=succeeded]').waitFor()
    await page.clock.install()
    const ended = page.waitForEvent('requestfailed', isStream)
    await setHidden(page, true)
    await page.clock.fastForward(10_000)
    await ended

    // Meanwhile it was started again, with a provider that charges.
    await page.route('**/readyz', route => route.fulfill({ json: { status: 'ready', provider: 'xhuoapi' } }))
    const again = page.waitForRequest(isStream)
    await setHidden(page, false)
    expect(await (await again).headerValue('last-event-id')).toMatch(/./)
    await page.getByText('Live', { exact: true }).waitFor()
    await page.locator('.sandbox').waitFor({ state: 'detached' })
    await page.getByText('Charged by the provider when a picture was made').waitFor()
    expect(job.status).toBe('succeeded')
  })
})
