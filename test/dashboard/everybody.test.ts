import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasBrowser, launchBrowser } from '../support/browser.ts'
import { startTestService } from '../support/service.ts'
import { pictureFile, submitJob, visit } from './visitor.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What keeps people out, by axe's own rating. */
async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(axe)
  const found = (await page.evaluate('axe.run()')) as {
    violations: { impact: string; id: string; nodes: { target: string[] }[] }[]
  }
  return found.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(node => node.target.join(' ')).join(', ')}`)
}

const isTooWide = (page: Page): Promise<unknown> => page.evaluate('document.documentElement.scrollWidth > innerWidth')

let browser: Browser

describe.skipIf(!hasBrowser)('everybody can use it', () => {
  beforeAll(async () => {
    browser = await launchBrowser()
  }, 60_000)
  afterAll(() => browser?.close())

  /** Nothing keeps anybody out, in light colours on a wide screen and in dark ones on a phone. */
  async function look(page: Page, what: string): Promise<void> {
    for (const [colorScheme, width] of [
      ['light', 1_600],
      ['dark', 360],
    ] as const) {
      await page.emulateMedia({ colorScheme })
      await page.setViewportSize({ width, height: 800 })
      expect([what, colorScheme, await barriers(page)]).toEqual([what, colorScheme, []])
      expect([what, width, await isTooWide(page)]).toEqual([what, width, false])
    }
  }

  test('gallery, jobs, questions and the form keep nobody out', async () => {
    const service = await startTestService()
    const job = await service.ended((await submitJob(service, { prompt: 'grey', n: '2' })).id)
    const failed = await submitJob(service, {
      prompt: `${'verylongword'.repeat(30)} fault:moderation`,
      metadata: `{"${'k'.repeat(64)}":"${'v'.repeat(500)}"}`,
    })
    await submitJob(service, { prompt: 'grey fault:empty' })
    const { page } = await visit(browser, service)
    await page.locator('.card:not(.skeleton)').nth(2).waitFor()
    await look(page, 'the gallery')
    await page.goto(`${service.url}/#/jobs/${failed.id}`)
    await page.locator('.callout.bad').waitFor()
    await look(page, 'a failed job')
    await page.goto(`${service.url}/#/jobs/${job.id}`)
    await page.getByText('Result came by callback').first().waitFor()
    await look(page, 'a job')
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('dialog').waitFor()
    await look(page, 'a question')
    await page.getByRole('button', { name: 'No, leave it' }).click()
    await page.goto(`${service.url}/#/new`)
    await page.locator('#field-image').setInputFiles([await pictureFile(`${'long-name'.repeat(20)}.png`)])
    await page.getByText('More settings').click()
    await page.getByRole('button', { name: 'Add a pair' }).click()
    await page.getByRole('radio', { name: '9:16' }).check()
    await page.getByRole('button', { name: /^Edit – / }).click()
    await page.getByText('Say what should change.').waitFor()
    await look(page, 'the form')
  })

  test('nor do the empty page and the dialog for the key', async () => {
    const open = await visit(browser, await startTestService())
    await open.page.getByRole('heading', { name: 'Edit your first picture' }).waitFor()
    await look(open.page, 'the empty page')
    const { page, forgive } = await visit(browser, await startTestService({ API_KEYS: 'ann:key-of-ann' }))
    forgive(/401 \(Unauthorized\)/)
    await page.getByRole('dialog').waitFor()
    await look(page, 'the dialog')
  })

  test('by keyboard alone: past the bar, into a card, and back; and the colours that were chosen stay', async () => {
    const service = await startTestService()
    await service.ended((await submitJob(service, { prompt: 'grey' })).id)
    const { page } = await visit(browser, service, { colorScheme: 'light', viewport: { width: 1_000, height: 800 } })
    await page.locator('.card:not(.skeleton)').waitFor()
    await page.keyboard.press('Tab')
    await page.locator('.skip:focus').waitFor()
    await page.keyboard.press('Enter')
    await page.locator('main:focus').waitFor()
    expect(new URL(page.url()).hash).toBe('')
    while ((await page.locator('.card a:focus').count()) === 0) await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.locator('h1:focus', { hasText: 'grey' }).waitFor()
    await page.goBack()
    await page.locator('.card:not(.skeleton)').waitFor()

    const ground = (): Promise<unknown> => page.evaluate('getComputedStyle(document.documentElement).backgroundColor')
    const light = await ground()
    await page.getByRole('button', { name: 'Dark colours' }).press('Enter')
    await page.reload()
    await page.getByRole('button', { name: 'Light colours' }).waitFor()
    expect(await ground()).not.toBe(light)
  })
})
