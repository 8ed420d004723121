import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const executablePath = '/usr/bin/chromium'

/** Whether there is a browser to test with; says so where there is none. */
export const hasBrowser = existsSync(executablePath)
if (!hasBrowser) console.warn(`there is no ${executablePath}: tests in a browser are skipped`)

/** Debian's Chromium, which asks nothing of other hosts by itself. Closed by whoever launched it. */
export async function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}
