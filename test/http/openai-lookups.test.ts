import { expect, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { newJob, request } from '../support/jobs.ts'
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
