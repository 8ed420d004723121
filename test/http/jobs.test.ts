import { expect, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { testClock } from '../support/clock.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { type Running, startTestService } from '../support/service.ts'
import { refusalOf, until } from './refusals.ts'
import { head, openLine } from './wire.ts'

const good = { prompt: 'dark mode', image: dataUrl(await picture()) }

async function submitted(service: Running, fields: object = {}): Promise<JobView> {
  return (await (await service.submit({ ...good, ...fields })).json()) as JobView
}

test('a job is read by its own id and by that of any of its tasks', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const job = await submitted(service, { n: 3 })
  const ids = [job.id, ...job.tasks.map(task => task.task_id ?? '')]
  expect(new Set(ids).size).toBe(4)
  for (const id of ids) {
    const response = await service.call(`/jobs/${id}`)
    expect([response.status, response.headers.get('retry-after')]).toEqual([200, '60'])
    expect(await response.json()).toMatchObject({ id: job.id, task_id: ids[1], n: 3 })
  }
  for (const id of ['job_', `${job.id}a`, job.id.toUpperCase(), 'x', '%27%20or%201=1', '%F0%9F%98%80', `${ids[1]}%00`])
    expect([id, await refusalOf(await service.call(`/jobs/${id}`))]).toMatchObject([id, { status: 404, param: 'taskId' }])
})

test('a job that has not changed is a 304, for every way of writing its tag', async () => {
  // In base64, so that no copy of it changes the job later on.
  const service = await startTestService({ SANDBOX_FAULTS: 'b64' })
  const job = await submitted(service)
  await service.ended(job.id)
  const first = await service.call(`/jobs/${job.id}`)
  const etag = first.headers.get('etag') ?? ''
  expect(etag).toMatch(/^"[\w-]+"$/)
  expect([first.headers.get('retry-after'), first.headers.get('cache-control')]).toEqual([null, 'private, no-cache'])
  for (const given of [etag, `W/${etag}`, `"other", ${etag}`, `"other",${etag} , "more"`, '*']) {
    const again = await service.call(`/jobs/${job.id}`, { headers: { 'if-none-match': given } })
    expect([given, again.status, again.headers.get('etag'), await again.text()]).toEqual([given, 304, etag, ''])
  }
  for (const given of ['"other"', etag.slice(1, -1), ''])
    expect((await service.call(`/jobs/${job.id}`, { headers: { 'if-none-match': given } })).status).toBe(200)
  const headOnly = await service.call(`/jobs/${job.id}`, { method: 'HEAD' })
  expect([headOnly.status, headOnly.headers.get('etag'), await headOnly.text()]).toEqual([200, etag, ''])
})

test('a tag of an earlier state brings the new one', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const job = await submitted(service)
  const etag = (await service.call(`/jobs/${job.id}`)).headers.get('etag') ?? ''
  await service.call(`/jobs/${job.id}/cancel`, { method: 'POST' })
  const after = await service.call(`/jobs/${job.id}`, { headers: { 'if-none-match': etag } })
  expect(await after.json()).toMatchObject({ status: 'canceled' })
})

test('waiting ends as soon as the job is final', async () => {
  const clock = testClock()
  const service = await startTestService({ SANDBOX_FAULTS: 'empty' }, { clock })
  const job = await submitted(service)
  const before = clock.waiting()
  const asks = [
    service.call(`/jobs/${job.id}?wait=90`),
    service.call(`/jobs/${job.id}?wait=99999999999999999999`),
    service.call(`/jobs/${job.task_id}`, { headers: { prefer: 'wait=60' } }),
    service.call(`/jobs/${job.id}`, { headers: { prefer: 'respond-async, wait = "60"' } }),
  ]
  await until(() => clock.waiting() === before + 4)
  await service.call(`/jobs/${job.id}/cancel`, { method: 'POST' })
  for (const response of await Promise.all(asks)) expect(await response.json()).toMatchObject({ status: 'canceled' })
  expect((await asks[2])?.headers.get('preference-applied')).toBe('wait=60')
  expect(clock.waiting()).toBe(before)
})

test('waiting ends at its time with the job as it is, and 90 s is the most', async () => {
  const clock = testClock()
  const service = await startTestService({ SANDBOX_FAULTS: 'empty' }, { clock })
  const job = await submitted(service)
  for (const [wait, afterMs] of [
    ['3', 3_000],
    ['1000', 90_000],
  ] as const) {
    const before = clock.waiting()
    let answered = false
    const waiting = service.call(`/jobs/${job.id}?wait=${wait}`).finally(() => {
      answered = true
    })
    await until(() => clock.waiting() > before)
    await clock.advance(afterMs - 1)
    expect(answered).toBe(false)
    await clock.advance(1)
    expect(await (await waiting).json()).toMatchObject({ status: 'processing' })
  }
})

test('what is no time to wait is refused', async () => {
  const service = await startTestService()
  const { id } = await submitted(service)
  for (const wait of ['', '-1', '1.5', 'x', '1e2', ' 1', '0x5', '1&wait=2', '%00', '٣'])
    expect([wait, await refusalOf(await service.call(`/jobs/${id}?wait=${wait}`))]).toMatchObject([
      wait,
      { status: 400, param: 'wait' },
    ])
  for (const prefer of ['wait=', 'wait=x', 'wait=-1', 'respond-async, wait=1.5'])
    expect([prefer, (await service.call(`/jobs/${id}`, { headers: { prefer } })).status]).toEqual([prefer, 400])
  for (const prefer of ['respond-async', 'awaits=x', 'return=minimal'])
    expect([prefer, (await service.call(`/jobs/${id}`, { headers: { prefer } })).status]).toEqual([prefer, 200])
  expect((await service.call(`/jobs/${id}?wait=0`)).status).toBe(200)
})

test('a client that goes away while it waits leaves nothing waiting', async () => {
  const clock = testClock()
  const service = await startTestService({ SANDBOX_FAULTS: 'empty' }, { clock })
  const job = await submitted(service)
  const before = clock.waiting()
  const lines = await Promise.all([1, 2, 3].map(() => openLine(service.url)))
  for (const line of lines) line.send(head(`GET /jobs/${job.id}?wait=60`))
  await until(() => clock.waiting() === before + 3)
  for (const line of lines) line.socket.destroy()
  await until(() => clock.waiting() === before)
  expect((await service.call(`/jobs/${job.id}`)).status).toBe(200)
})

type Page = { data: JobView[]; next_cursor: string | null; has_more: boolean }

async function pageOf(service: Running, query: string): Promise<Page> {
  const response = await service.call(`/jobs?${query}`)
  expect(response.status).toBe(200)
  return (await response.json()) as Page
}

test('a list is paged through to its end, newest first, each job once, also while new ones come', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const made: string[] = []
  for (let index = 0; index < 23; index += 1) made.unshift((await submitted(service, { image: 'https://example.com/a.png' })).id)
  const seen: string[] = []
  let cursor = ''
  for (;;) {
    const page = await pageOf(service, `limit=5${cursor}`)
    seen.push(...page.data.map(job => job.id))
    expect(page.has_more).toBe(page.next_cursor !== null)
    if (page.next_cursor === null) break
    cursor = `&cursor=${encodeURIComponent(page.next_cursor)}`
    await submitted(service, { image: 'https://example.com/b.png' })
  }
  expect(seen).toEqual(made)
  expect((await pageOf(service, '')).data).toHaveLength(20)
  expect(await pageOf(service, 'limit=100')).toMatchObject({ has_more: false, next_cursor: null })
})

test('a list is filtered by status and model, and its pages too', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const jobs: JobView[] = []
  for (const model of ['gpt-image-2', 'unknown-model', 'unknown-model', 'unknown-model'])
    jobs.unshift(await submitted(service, { model, image: 'https://example.com/a.png' }))
  await service.call(`/jobs/${jobs[0]?.id}/cancel`, { method: 'POST' })
  const ids = async (query: string): Promise<string[]> => (await pageOf(service, query)).data.map(job => job.id)
  expect(await ids('status=canceled')).toEqual([jobs[0]?.id])
  expect(await ids('status=processing&model=unknown-model')).toEqual([jobs[1]?.id, jobs[2]?.id])
  expect(await ids('model=gpt-image-2')).toEqual([jobs[3]?.id])
  expect(await ids('status=succeeded')).toEqual([])
  expect(await ids('model=nothing%00&status=&cursor=')).toEqual([])
  const { next_cursor: cursor } = await pageOf(service, 'model=unknown-model&limit=1')
  expect(await ids(`model=unknown-model&limit=1&cursor=${cursor}`)).toEqual([jobs[1]?.id])
})

test('a list refuses limits, cursors and states that are none', async () => {
  const service = await startTestService()
  const wrong: readonly (readonly [string, string])[] = [
    ...['0', '101', '-1', '1.5', 'x', '1e1', '1000', '1&limit=2', '%20'].map(value => ['limit', value] as const),
    ...['x', 'a'.repeat(5_000), '%00', 'am9i', Buffer.from('job_x').toString('base64url'), 'a&cursor=b'].map(
      value => ['cursor', value] as const,
    ),
    ...['done', 'Queued', 'queued,failed', '%00', '__proto__', 'queued&status=failed'].map(value => ['status', value] as const),
    ['model', 'a&model=b'],
  ]
  for (const [name, value] of wrong) {
    const refusal = await refusalOf(await service.call(`/jobs?${name}=${value}`))
    expect([name, value.slice(0, 20), refusal]).toMatchObject([name, value.slice(0, 20), { status: 400, param: name }])
  }
  for (const name of ['unknown', '__proto__', 'statuses', 'constructor[a]']) {
    const refusal = await refusalOf(await service.call(`/jobs?limit=5&${name}=1`))
    expect([name, refusal]).toMatchObject([name, { status: 400, code: 'invalid_request', param: name }])
  }
})
