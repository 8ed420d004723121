import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { expect, onTestFinished } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { picture } from '../support/pictures.ts'
import type { Running } from '../support/service.ts'

/** A busy machine is slow: only what never comes fails. */
export const patienceMs = 120_000

export type Visitor = {
  page: Page
  /** What went wrong in the browser that has been expected by now. */
  forgive: (pattern: RegExp) => void
}

/**
 * A person at the service's dashboard. When the test ends, nothing may have gone wrong that was not forgiven: no error in the
 * console (where broken rules of the content security policy are told too), and no request to another host.
 */
export async function visit(
  browser: Browser,
  service: Pick<Running, 'url'>,
  options: BrowserContextOptions & { path?: string } = {},
): Promise<Visitor> {
  const { path = '', ...wanted } = options
  const context = await browser.newContext({
    viewport: { width: 1_280, height: 900 },
    locale: 'en-US',
    reducedMotion: 'reduce',
    ...wanted,
  })
  context.setDefaultTimeout(patienceMs)
  const problems: string[] = []
  const forgiven: RegExp[] = []
  onTestFinished(async () => {
    await context.close()
    expect(problems.filter(problem => !forgiven.some(pattern => pattern.test(problem)))).toEqual([])
  })
  const page = await context.newPage()
  page.on('console', message => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(`console: ${message.text()}`)
  })
  page.on('pageerror', error => problems.push(`thrown: ${error.message}`))
  page.on('request', request => {
    const url = new URL(request.url())
    if (url.protocol.startsWith('http') && url.origin !== service.url) problems.push(`request to ${url.origin}`)
  })
  await page.goto(`${service.url}/${path}`)
  return { page, forgive: pattern => void forgiven.push(pattern) }
}

export const pictureFile = async (name = 'photo.png') => ({
  name,
  mimeType: 'image/png',
  buffer: await picture({ width: 640, height: 480, colour: '#4a7fb5' }),
})

/** Submits a job beside the page, as another program would. */
export async function submitJob(
  service: Running,
  fields: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<JobView> {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  const { buffer, name } = await pictureFile()
  form.append('image', new Blob([new Uint8Array(buffer)]), name)
  const answer = await service.call('/jobs', { method: 'POST', body: form, headers })
  // This service's own answers.
  if (answer.status === 202) return (await answer.json()) as JobView
  const { job_id } = (await answer.json()) as { job_id: string }
  return (await (await service.call(`/jobs/${job_id}`, { headers })).json()) as JobView
}

/** All jobs there are. */
export async function allJobs(service: Running): Promise<JobView[]> {
  const page = (await (await service.call('/jobs?limit=100')).json()) as { data: JobView[] }
  return page.data
}
