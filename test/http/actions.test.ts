import { expect, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { type Running, startTestService } from '../support/service.ts'
import { refusalOf, storedFiles } from './refusals.ts'
import { head, openLine } from './wire.ts'

const good = { prompt: 'dark mode', image: dataUrl(await picture()) }

async function submitted(service: Running, fields: object = {}): Promise<JobView> {
  return (await (await service.submit({ ...good, ...fields })).json()) as JobView
}

const post = (service: Running, path: string, init: RequestInit = {}): Promise<Response> =>
  service.call(path, { method: 'POST', ...init })

const countOf = (answers: readonly { status: number }[], status: number): number =>
  answers.filter(one => one.status === status).length

test('a cancel is taken with any body of any type, and with none', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const inits: readonly RequestInit[] = [
    {},
    { body: '' },
    { body: '{', headers: { 'content-type': 'application/json' } },
    { body: 'text' },
    { body: 'x', headers: { 'content-type': 'garbage' } },
    { body: 'x', headers: { 'content-type': ';;' } },
    { headers: { 'content-type': 'application/json' } },
    { body: new Uint8Array(300_000), headers: { 'content-encoding': 'gzip' } },
    { body: new URLSearchParams({ a: 'b' }) },
    { body: new FormData() },
  ]
  for (const init of inits) {
    const job = await submitted(service)
    const response = await post(service, `/jobs/${job.id}/cancel`, init)
    expect([response.status, await response.json()]).toMatchObject([200, { id: job.id, status: 'canceled' }])
  }
})

test('a cancel of a job that has ended is a conflict, by each of its ids', async () => {
  const service = await startTestService()
  const job = await service.ended((await submitted(service)).id)
  for (const id of [job.id, job.task_id]) {
    const refusal = await refusalOf(await post(service, `/jobs/${id}/cancel`))
    expect(refusal).toMatchObject({ status: 409, code: 'conflict' })
    expect(refusal.message).toContain('succeeded')
  }
})

test('of many cancels at once one is taken', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const job = await submitted(service)
  const answers = await Promise.all(Array.from({ length: 20 }, () => post(service, `/jobs/${job.id}/cancel`)))
  expect(countOf(answers, 200)).toBe(1)
  expect(countOf(answers, 409)).toBe(19)
})

test('a job that has ended without a picture is retried as a new one with the same request', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const job = await submitted(service, { metadata: { a: 'b' }, n: 2, quality: 'high' })
  expect(await refusalOf(await post(service, `/jobs/${job.id}/retry`))).toMatchObject({ status: 409, code: 'conflict' })
  await post(service, `/jobs/${job.id}/cancel`)
  const response = await post(service, `/jobs/${job.id}/retry`, { body: 'x', headers: { 'content-type': 'garbage' } })
  expect(response.status).toBe(202)
  const again = (await response.json()) as JobView
  expect(response.headers.get('location')).toBe(again.urls.self)
  expect(again).toMatchObject({ retry_of: job.id, metadata: { a: 'b' }, n: 2, params: { quality: 'high' }, status: 'processing' })
  expect(again.id).not.toBe(job.id)
  expect(service.sandbox?.charges).toBe(4)
})

test('a job that succeeded is not retried', async () => {
  const service = await startTestService()
  const job = await service.ended((await submitted(service)).id)
  expect(await refusalOf(await post(service, `/jobs/${job.id}/retry`))).toMatchObject({ status: 409 })
  expect(service.sandbox?.charges).toBe(1)
})

test('the retry of a retry whose first job is deleted still has its pictures', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const job = await submitted(service)
  await post(service, `/jobs/${job.id}/cancel`)
  const again = (await (await post(service, `/jobs/${job.id}/retry`)).json()) as JobView
  expect((await service.call(`/jobs/${job.id}`, { method: 'DELETE' })).status).toBe(204)
  const shown = await service.call(`/jobs/${again.id}/inputs/0`)
  expect([shown.status, (await shown.arrayBuffer()).byteLength]).toEqual([200, (await picture()).length])
})

test('a delete removes the job, its files and its history, and is taken with a body too', async () => {
  const service = await startTestService()
  const job = await service.ended((await submitted(service, { model: 'gpt-image-1' })).id)
  expect((await storedFiles(service)).length).toBe(3)
  const response = await service.call(`/jobs/${job.task_id}`, { method: 'DELETE', body: '{', headers: { 'content-type': 'a' } })
  expect([response.status, await response.text()]).toEqual([204, ''])
  expect(await storedFiles(service)).toEqual([])
  for (const path of ['', '/callbacks', '/images/0', '/inputs/0'])
    expect([path, await refusalOf(await service.call(`/jobs/${job.id}${path}`))]).toMatchObject([path, { status: 404 }])
  expect((await service.call(`/jobs/${job.id}`, { method: 'DELETE' })).status).toBe(404)
  expect((await service.call(`/jobs/${job.task_id}`)).status).toBe(404)
})

test('a job that has not ended is not deleted', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const job = await submitted(service)
  expect(await refusalOf(await service.call(`/jobs/${job.id}`, { method: 'DELETE' }))).toMatchObject({ status: 409 })
  expect((await service.call(`/jobs/${job.id}`)).status).toBe(200)
  expect((await storedFiles(service)).length).toBe(2)
})

test('of many deletes at once one is done, and the others find nothing', async () => {
  const service = await startTestService()
  const job = await service.ended((await submitted(service)).id)
  // Handed in together, so that each finds the job still there.
  const deleteNow = async () => ({ status: (await service.app.inject({ method: 'DELETE', url: `/jobs/${job.id}` })).statusCode })
  const answers = await Promise.all(Array.from({ length: 10 }, () => deleteNow()))
  expect(countOf(answers, 204)).toBe(1)
  expect(countOf(answers, 404)).toBe(9)
})

test('a body that is announced and does not come holds up no cancel', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const job = await submitted(service)
  const line = await openLine(service.url)
  line.send(head(`POST /jobs/${job.id}/cancel`, { 'content-type': 'application/json', 'content-length': 1_000 }))
  expect((await line.answer()).status).toBe(200)
})
