import { expect } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import type { Running } from '../support/service.ts'

export const png = await picture()
const base64 = png.toString('base64')
export const success = {
  success: true,
  task_id: 'theirs',
  trace_id: 'a-trace',
  data: { created: 5, data: [{ b64_json: base64 }] },
}

/** A job that the provider never ends by itself, and the path of its callback. */
export async function openJob(service: Running, fields: object = {}): Promise<{ job: JobView; path: string }> {
  const before = service.sandbox?.submits.length ?? 0
  const response = await service.submit({ prompt: 'fault:empty', image: dataUrl(png), ...fields })
  expect(response.status).toBe(202)
  const job = (await response.json()) as JobView
  return { job, path: new URL(service.sandbox?.submits[before]?.callbackUrl ?? '').pathname }
}

export const send = (service: Running, path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  service.call(path, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers })

export async function jobNow(service: Running, job: JobView): Promise<JobView> {
  return (await (await service.call(`/jobs/${job.id}`)).json()) as JobView
}

type Noted = { received_at: string; bytes: number; outcome: string; body: unknown }
export async function noted(service: Running, job: JobView): Promise<Noted[]> {
  return ((await (await service.call(`/jobs/${job.id}/callbacks`)).json()) as { data: Noted[] }).data
}
