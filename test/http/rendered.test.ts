import { expect, test } from 'vitest'
import type { Clock } from '../../src/domain/ports.ts'
import type { JobStore } from '../../src/domain/store.ts'
import type { JobView } from '../../src/domain/view.ts'
import { makeRenderer } from '../../src/http/rendered.ts'
import { testClock } from '../support/clock.ts'
import { newJob, request, succeeded } from '../support/jobs.ts'
import { testStore } from '../support/store.ts'

const links = { job: (id: string) => `/jobs/${id}`, image: () => '/image', input: () => '/input' }

async function setUp() {
  const store = await testStore()
  const clock = testClock()
  const renderer = makeRenderer(store, { ...links, image: () => `/image?day=${clock.now()}` }, clock)
  const job = newJob({ now: clock.now() })
  await store.createJob(job)
  const [task] = await store.claimTasks({
    by: 'me',
    until: clock.now() + 1,
    now: clock.now(),
    maxInFlight: 9,
    unconfirmedCountsMs: 0,
  })
  const read = async (): Promise<JobView> => JSON.parse((await renderer.read(job.id))?.body ?? 'null') as JobView
  return { store, clock, renderer, jobId: job.id, taskId: task?.taskId ?? -1, read }
}

/** A job that waits is not kept: its place in the queue changes with every other. */
async function leaveQueue(store: JobStore, clock: Clock): Promise<void> {
  const now = clock.now()
  await store.claimTasks({ by: 'test', until: now + 1_000, now, maxInFlight: 1_000, unconfirmedCountsMs: 0 })
}

test('a job that did not change is rendered once', async () => {
  const { renderer, jobId } = await setUp()
  const first = await renderer.read(jobId)
  expect(renderer.known(jobId)).toBe(await renderer.read(jobId))
  expect(renderer.known(jobId)?.body).toBe(first?.body)
  expect(renderer.known('job_none')).toBeNull()
  expect(await renderer.read('job_none')).toBeNull()
})

test('what is kept is bounded: what nobody asked for lately is forgotten, what is asked for stays', async () => {
  const { store, clock } = await setUp()
  const jobs = Array.from({ length: 12 }, () => newJob({ now: clock.now() }))
  for (const job of jobs) await store.createJob(job)
  await leaveQueue(store, clock)
  const [wanted, ...others] = jobs.map(job => job.id)
  const { length } = (await makeRenderer(store, links, clock).read(wanted ?? ''))?.body ?? ''
  const renderer = makeRenderer(store, links, clock, 4 * length)
  for (const id of others) {
    await renderer.read(wanted ?? '')
    await renderer.read(id)
  }
  expect(renderer.known(wanted ?? '')).not.toBeNull()
  expect(others.filter(id => renderer.known(id) !== null).length).toBeLessThanOrEqual(7)
  expect(renderer.known(others[0] ?? '')).toBeNull()
})

test('every change of a job shows in the very next read', async () => {
  const { store, clock, taskId, jobId, read } = await setUp()
  const now = clock.now()
  const file = { name: 'x-1', sizeBytes: 7, sha256: 'b'.repeat(64), contentType: 'image/png', width: 1, height: 2 }
  expect((await read()).status).toBe('processing')
  await store.taskSubmitted({ taskId, providerTaskId: 'p-9', traceId: null, now, pollAt: null })
  expect((await read()).task_id).toBe('p-9')
  await store.inputStored({ jobId, position: 0, file })
  expect((await read()).inputs[0]?.bytes).toBe(7)
  await store.applyResult({ taskId, result: succeeded(), source: 'callback', now, copyAt: now, receipt: null })
  expect((await read()).status).toBe('succeeded')
  await store.imageCopied({ jobId, position: 0, file })
  expect((await read()).result?.data[0]?.bytes).toBe(7)
  await store.dropJobs({ completedBefore: now + 1, limit: 10, now })
  expect(await read()).toBeNull()
})

test('on a new day the signed URLs of a job are new', async () => {
  const { store, clock, taskId, read } = await setUp()
  await store.applyResult({
    taskId,
    result: succeeded(),
    source: 'callback',
    now: clock.now(),
    copyAt: clock.now(),
    receipt: null,
  })
  const first = (await read()).result?.data[0]?.url
  await clock.advance(3_600_000)
  expect((await read()).result?.data[0]?.url).toBe(first)
  await clock.advance(86_400_000)
  expect((await read()).result?.data[0]?.url).not.toBe(first)
})

test('what is kept of many jobs is bounded, and all of them can be read', async () => {
  const { store, clock, renderer } = await setUp()
  const jobs = Array.from({ length: 40 }, () =>
    newJob({
      now: clock.now(),
      request: { ...request, edit: { ...request.edit, prompt: 'p'.repeat(32_000), params: { extra: 'x'.repeat(400_000) } } },
    }),
  )
  await Promise.all(jobs.map(job => store.createJob(job)))
  await leaveQueue(store, clock)
  const first = await renderer.read(jobs[0]?.id ?? '')
  for (const job of jobs) expect((await renderer.read(job.id))?.job.id).toBe(job.id)
  // Pushed out by those that came later.
  expect((await renderer.read(jobs[0]?.id ?? ''))?.job).not.toBe(first?.job)
})
