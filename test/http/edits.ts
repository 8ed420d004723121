import { expect } from 'vitest'
import { dataUrl, picture } from '../support/pictures.ts'
import type { Running } from '../support/service.ts'
import { until } from './refusals.ts'

/* Calls of OpenAI's edit route as clients make them by hand. */

export const path = '/v1/images/edits'
export const retry = { 'x-stainless-retry-count': '1' }
export const body = async (changes = {}) => ({
  model: 'gpt-image-1',
  prompt: 'dark',
  image: dataUrl(await picture()),
  ...changes,
})

export type Answered = { status: number; headers: Headers; jobId: string; code: string; text: string }

export function send(
  service: Running,
  content: object,
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Response> {
  return service.call(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(content),
    ...(signal === undefined ? {} : { signal }),
  })
}

export async function post(service: Running, content: object, headers: Record<string, string> = {}): Promise<Answered> {
  const answer = await send(service, content, headers)
  const text = await answer.text()
  // An answer of this route.
  const told = JSON.parse(text) as { job_id?: string; task_id?: string; error?: { job_id: string; code: string } }
  const jobId = told.error?.job_id ?? told.job_id ?? ''
  return { status: answer.status, headers: answer.headers, jobId, code: told.error?.code ?? '', text }
}

export const logged = (service: Running, event: string): number => service.log.lines.filter(line => line.event === event).length
export const accepted = (service: Running): string[] =>
  service.log.lines.filter(line => line.event === 'job.accepted').map(line => String(line.fields['job']))

/** A client that goes away once its job is at the provider. */
export async function leave(service: Running, content: object, headers: Record<string, string> = {}): Promise<void> {
  const before = logged(service, 'client.gone')
  const charges = service.sandbox?.charges ?? 0
  const gone = new AbortController()
  const first = send(service, content, headers, gone.signal)
  await until(() => (service.sandbox?.charges ?? 0) > charges || logged(service, 'job.claimed_by_retry') > 0)
  gone.abort()
  await expect(first).rejects.toThrow()
  await until(() => logged(service, 'client.gone') > before)
}
