import type { Browser, Page } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { hasBrowser, launchBrowser } from '../support/browser.ts'
import { type Running, startTestService } from '../support/service.ts'
import { refusalOf } from './refusals.ts'
import { head, sendRaw } from './wire.ts'

const files = ['page.js', 'page.css', 'swagger-ui-bundle.js', 'swagger-ui.css']

test('the page needs no key, and is not counted', async () => {
  const service = await startTestService({ API_KEYS: 'ann:key-of-ann', RATE_LIMIT_MAX: '1' })
  const paths = ['/docs', '/openapi.json', ...files.map(name => `/docs/${name}`)]
  for (const path of [...paths, ...paths]) expect([path, (await service.call(path)).status]).toEqual([path, 200])
})

test('the page says of itself that it loads nothing from elsewhere, and runs no inline script or style', async () => {
  const service = await startTestService()
  const { headers } = await service.call('/docs')
  const policy = headers.get('content-security-policy') ?? ''
  expect(policy).toMatch(/^default-src 'none';/)
  expect(policy).not.toMatch(/unsafe|https?:|\*/)
  expect(headers.get('referrer-policy')).toBe('no-referrer')
  expect(headers.get('content-type')).toBe('text/html; charset=utf-8')
})

test('with a slash at its end it leads to the page, also under a path of a proxy', async () => {
  const service = await startTestService()
  const response = await service.call('/docs/', { redirect: 'manual' })
  expect([response.status, response.headers.get('location')]).toEqual([308, '../docs'])
  expect((await service.call('/docs/')).url).toBe(`${service.url}/docs`)
  const page = await (await service.call('/docs')).text()
  expect(page).not.toMatch(/(?:src|href)="\//)
})

test('the library’s files are kept by browsers for a day, those of the page go with it, and all are asked for by their tag', async () => {
  const service = await startTestService()
  for (const name of files) {
    const { headers } = await service.call(`/docs/${name}`)
    expect([name, headers.get('cache-control'), headers.get('x-content-type-options')]).toEqual([
      name,
      name.startsWith('page.') ? 'no-cache' : 'public, max-age=86400',
      'nosniff',
    ])
    expect(headers.get('content-type')).toMatch(/^(text|application)\/(javascript|css); charset=utf-8$/)
    const again = await sendRaw(service.url, head(`GET /docs/${name}`, { 'if-none-match': headers.get('etag') ?? '' }))
    expect([name, again.status]).toEqual([name, 304])
  }
})

test('what is not there is told as everywhere', async () => {
  const service = await startTestService()
  for (const path of ['x', 'page.html', 'index.html', 'x/y', 'json', '..%2fapp.ts', '%2e%2e/app.ts', 'swagger-ui.js', 'page.js/'])
    expect([path, await refusalOf(await service.call(`/docs/${path}`))]).toMatchObject([path, { status: 404, code: 'not_found' }])
})

async function openPage(browser: Browser, service: Running): Promise<{ page: Page; problems: string[]; hosts: Set<string> }> {
  const page = await browser.newPage()
  const problems: string[] = []
  const hosts = new Set<string>()
  page.on('console', message => void (message.type() === 'error' && problems.push(message.text())))
  page.on('pageerror', error => problems.push(error.message))
  page.on('requestfailed', request => problems.push(request.url()))
  page.on('request', request => void (request.url().startsWith('http') && hosts.add(new URL(request.url()).host)))
  // As text: it runs in the page.
  await page.addInitScript(
    "addEventListener('securitypolicyviolation', event => console.error('refused', event.violatedDirective))",
  )
  await page.goto(`${service.url}/docs/`)
  return { page, problems, hosts }
}

test.skipIf(!hasBrowser)('a browser shows the page without an error, and tries requests out with a key', async () => {
  // Its own name for itself is another than the one that the browser uses.
  const service = await startTestService({ API_KEYS: 'ann:key-of-ann', PUBLIC_URL: 'http://localhost:1' })
  const browser = await launchBrowser()
  onTestFinished(() => browser.close())
  const { page, problems, hosts } = await openPage(browser, service)
  const submit = page.locator('#operations-jobs-submitJob')
  await submit.waitFor()
  expect(await page.title()).toBe('Darkroom API')
  await page.locator('.auth-wrapper .authorize').click()
  await page.getByLabel('auth-bearer-value').first().fill('key-of-ann')
  await page.locator('.auth-btn-wrapper .authorize').first().click()
  await page.locator('.btn-done').first().click()
  await submit.locator('.opblock-summary-control').click()
  await submit.locator('.try-out__btn').click()
  await submit.locator('.execute').click()
  const answer = submit.locator('.live-responses-table')
  await answer.waitFor()
  expect(await answer.locator('tbody .response-col_status').first().textContent()).toMatch(/^202/)
  const [job] = await service.store.jobs({ owner: 'ann', status: null, model: null, before: null, limit: 1 })
  expect(job?.prompt).toBe('make it night')
  expect(problems).toEqual([])
  expect([...hosts]).toEqual([new URL(service.url).host])
})
