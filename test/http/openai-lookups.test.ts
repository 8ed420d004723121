import { expect, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { newJob, request } from '../support/jobs.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { startTestService } from '../support/service.ts'

test('a range of tasks is given in pages, with the count of all that match, and none of another key', async () => {
  const service = await startTestService({ API_KEYS: 'web:web-secret,app:app-secret' })
  for (let count = 0; count < 30; count += 1) {
    const job = newJob({ owner: count < 25 ? 'web' : 'app', now: 1_000_000 + count * 1_000 })
    await service.store.createJob(job)
  }
  const ask = async (query: object) => {
    const headers = { authorization: 'Bearer web-secret', 'content-type': 'application/json' }
    const body = JSON.stringify({ action: 'retrieve_batch', ...query })
    return service.call('/openai/tasks', { method: 'POST', headers, body })
  }
  const page = async (query: object) => {
    const { items, count } = (await (await ask(query)).json()) as { items: { id: string }[]; count: number }
    return { ids: items.map(item => item.id), count }
  }
  const first = await page({})
  expect([first.ids.length, first.count]).toEqual([12, 25])
  const rest = await page({ offset: 12, limit: 100 })
  expect([rest.ids.length, rest.count]).toEqual([13, 25])
  expect(new Set([...first.ids, ...rest.ids]).size).toBe(25)
  expect(await page({ created_at_min: 1_010, created_at_max: 1_028, limit: 1 })).toMatchObject({ count: 15 })
  expect(await page({ offset: 1_000_000_000 })).toEqual({ ids: [], count: 25 })
  for (const query of [{ offset: 0.5 }, { limit: 1.5 }, { offset: 1e300 }, { offset: -1 }, { limit: 'many' }])
    expect([query, (await ask(query)).status]).toEqual([query, 400])
})

test('a mask is told apart from the pictures to edit', async () => {
  const service = await startTestService()
  const mask = { role: 'mask', url: 'https://example.com/mask.png', file: null } as const
  const { edit } = request
  const job = newJob({ request: { ...request, edit: { ...edit, inputs: [...edit.inputs, mask] } } })
  await service.store.createJob(job)
  const body = JSON.stringify({ action: 'retrieve', id: job.id })
  const headers = { 'content-type': 'application/json' }
  const found = await (await service.call('/openai/tasks', { method: 'POST', headers, body })).json()
  expect(found).toMatchObject({ request: { image: ['https://example.com/a.png'], mask: mask.url } })
  const { inputs } = (await (await service.call(`/jobs/${job.id}`)).json()) as JobView
  expect(inputs.map(input => [input.role, input.url])).toEqual([
    ['image', 'https://example.com/a.png'],
    ['mask', mask.url],
  ])
})

const json = { 'content-type': 'application/json' }

/** A service with one job of each kind of model, on its sandbox. */
async function withJobs(requests: readonly object[], settings: Record<string, string> = {}) {
  const service = await startTestService(settings)
  const image = dataUrl(await picture())
  const jobs: JobView[] = []
  for (const changes of requests) {
    const response = await service.submit({ prompt: 'dark mode', image, ...changes }, bearer('web-secret'))
    jobs.push((await response.json()) as JobView)
  }
  const ask = async (query: object, secret = 'web-secret') => {
    const headers = { ...json, ...bearer(secret) }
    return service.call('/openai/tasks', { method: 'POST', headers, body: JSON.stringify(query) })
  }
  const find = async (query: object, secret?: string) => (await (await ask(query, secret)).json()) as Record<string, unknown>
  return { service, jobs, ask, find }
}

const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` })

test('without an action one task is asked for, and a wrong action says which there are', async () => {
  const { jobs, ask, find } = await withJobs([{}])
  const [job] = jobs
  expect(await find({ id: job?.id })).toMatchObject({ id: job?.task_id })
  expect(await find({ action: null, id: job?.task_id })).toMatchObject({ id: job?.task_id })
  for (const [query, words] of [
    [{ action: 'delete', id: job?.id }, /DELETE \/jobs\/ID/],
    [{ action: 'list' }, /retrieve_batch/],
    [{}, /id or trace_id is required/],
  ] as const) {
    const refused = await ask(query)
    expect([query, refused.status]).toEqual([query, 400])
    expect(await refused.json()).toMatchObject({ error: { message: expect.stringMatching(words) } })
  }
})

test('a list that names nothing finds nothing', async () => {
  const { find } = await withJobs([{}])
  const nothing = { items: [], count: 0 }
  expect(await find({ action: 'retrieve_batch', ids: [] })).toEqual(nothing)
  expect(await find({ action: 'retrieve_batch', trace_ids: [] })).toEqual(nothing)
  expect(await find({ action: 'retrieve_batch', ids: null })).toMatchObject({ count: 1 })
})

test('a task is found by the trace id that its client sent, while it runs too, and by no other key', async () => {
  const settings = { API_KEYS: 'web:web-secret,app:app-secret', ADMIN_KEY: 'admin-secret', SANDBOX_FAULTS: 'empty' }
  const requests = [{ trace_id: 'order-1' }, { trace_id: 'order-1', model: 'nano-banana' }, { trace_id: 'order-2', n: 2 }]
  const { jobs, find } = await withJobs(requests, settings)
  const [first, second, third] = jobs
  expect(second).toMatchObject({ warnings: [], params: { trace_id: 'order-1' } })
  const running = { trace_id: 'order-1', response: null, finished_at: null, request: { trace_id: 'order-1' } }
  // The newest of several.
  expect(await find({ trace_id: 'order-1' })).toMatchObject({ ...running, id: second?.task_id })
  expect(await find({ trace_id: 'order-2' })).toMatchObject({ trace_id: 'order-2', id: third?.task_id })
  const both = await find({ action: 'retrieve_batch', trace_ids: ['order-1'] })
  expect(both).toMatchObject({ count: 2, items: [{ id: second?.task_id }, { id: first?.task_id }] })
  expect(await find({ trace_id: 'order-1' }, 'app-secret')).toEqual({})
  expect(await find({ trace_id: 'order-1' }, 'admin-secret')).toMatchObject(running)
  // As the provider has it.
  expect(await find({ id: first?.id, trace_id: 'order-2' })).toMatchObject({ id: third?.task_id })
  expect(await find({ id: first?.id, trace_id: 'order-3' })).toEqual({})
})

test('a trace id must be a text of 500 characters at most', async () => {
  const service = await startTestService()
  for (const traceId of [7, {}, 'x'.repeat(501)]) {
    const refused = await service.submit({ prompt: 'dark mode', image: 'https://example.com/a.png', trace_id: traceId })
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({ error: { param: 'trace_id' } })
  }
})

test('the type of a record is the provider’s, or the usual one of its model', async () => {
  const models = ['gpt-image-2', 'gpt-image-1', 'nano-banana', 'some-other']
  const { service, jobs, find } = await withJobs(models.map(model => ({ model })))
  const types = async () => Promise.all(jobs.map(async job => (await find({ id: job.id }))['type']))
  expect(await types()).toEqual(['images', 'images_edits', 'images_edits', 'images'])
  const taskId = (await service.store.job(jobs[2]?.id ?? ''))?.tasks[0]?.id ?? 0
  await service.store.taskPolled({ taskId, pollAt: null, recordType: 'images_generations' })
  expect(await types()).toEqual(['images', 'images_edits', 'images_generations', 'images'])
})

test('what a result used and cost stands in its record, and in the answer of an edit', async () => {
  const { service, find } = await withJobs([])
  const body = JSON.stringify({ model: 'gpt-image-2', prompt: 'dark mode fault:usage', image: dataUrl(await picture()) })
  const report = { usage: { total_tokens: 4_370 }, cost: { amount: 0.37, currency: 'credit' } }
  const answer = (await (await service.call('/v1/images/edits', { method: 'POST', headers: json, body })).json()) as object
  expect(answer).toMatchObject({ ...report, success: true, data: [{}] })
  const { job_id: id } = answer as { job_id: string }
  expect(await find({ id })).toMatchObject({ response: report })
})

test('a form asks as JSON does', async () => {
  const { service, jobs } = await withJobs([{}, { trace_id: 'order 1' }])
  const ask = async (body: string) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    return (await service.call('/v1/openai/tasks', { method: 'POST', headers, body })).json()
  }
  const [first, second] = jobs
  expect(await ask(`id=${first?.id}`)).toMatchObject({ id: first?.task_id })
  expect(await ask('action=retrieve&trace_id=order+1')).toMatchObject({ id: second?.task_id })
  expect(await ask(`action=retrieve_batch&ids[]=${first?.id}`)).toMatchObject({ count: 1 })
  expect(await ask(`action=retrieve_batch&ids=${first?.id}&ids=${second?.id}`)).toMatchObject({ count: 2 })
  expect(await ask('action=retrieve_batch&limit=1')).toMatchObject({ items: [{}], count: 2 })
  expect(await ask('action=retrieve_batch&limit=many')).toMatchObject({ error: { param: 'limit' } })
})

test('the models are listed under each of the three paths', async () => {
  const service = await startTestService()
  const [first, ...others] = await Promise.all(
    ['/v1/models', '/openai/models', '/v1/openai/models'].map(async path => (await service.call(path)).json()),
  )
  expect(first).toMatchObject({ object: 'list', data: expect.arrayContaining([expect.objectContaining({ id: 'gpt-image-2' })]) })
  for (const other of others) expect(other).toEqual(first)
})
