import { expect, test } from 'vitest'
import { ServiceError } from '../../src/domain/errors.ts'
import type { ClaimedTask, JobRecord } from '../../src/domain/records.ts'
import type { JobStore, NewJob } from '../../src/domain/store.ts'
import { makeAttempt } from '../../src/steps/attempt.ts'
import type { TestClock } from '../support/clock.ts'
import { newJob, request } from '../support/jobs.ts'
import { picture } from '../support/pictures.ts'
import { accept, type FakeProvider, fakeProvider, json, until } from './setting.ts'
import { openSubmitting } from './submitting.ts'

/** One claimed task, and what submits it; `change` puts faults between it and its store. */
async function claimed(
  provider: FakeProvider,
  options: { job?: Partial<NewJob>; change?: (store: JobStore) => Partial<JobStore> } = {},
) {
  const submitting = await openSubmitting(provider.url)
  const { store, blobs, clock, log } = submitting
  const now = clock.now()
  const job = newJob({ now, expiresAt: now + 1_800_000, ...options.job })
  await store.createJob(job)
  const [task] = await store.claimTasks({ by: 'us', until: now + 60_000, now, maxInFlight: 1, unconfirmedCountsMs: 0 })
  const stop = new AbortController()
  const attempt = makeAttempt(
    { ...submitting, store: { ...store, ...options.change?.(store) }, firstPollAt: at => at + 120_000 },
    () => {},
    stop.signal,
  )
  const submit = (mayLeave = true) => attempt(task as ClaimedTask, mayLeave)
  const read = async () => (await store.job(job.id)) as JobRecord
  return { store, blobs, clock, log, job, submit, read, stop }
}

/** Fails as often as it is told, and before or after what it stands before was done. */
function faulty<A, R>(write: (a: A) => Promise<R>, times: number, error: Error, when: 'before' | 'after'): (a: A) => Promise<R> {
  let left = times
  return async a => {
    if (left <= 0) return write(a)
    left -= 1
    if (when === 'after') await write(a)
    throw error
  }
}

/** Lets time pass until it is done. */
async function passingTime(clock: TestClock, work: Promise<void>): Promise<void> {
  let over = false
  const done = work.finally(() => {
    over = true
  })
  await until(async () => {
    await clock.advance(1_000)
    return over
  })
  await done
}

const unavailable = new ServiceError('unavailable', 'the store could not confirm this')

test('a job that was canceled since its task was claimed is not submitted, and not billed', async () => {
  const provider = await fakeProvider()
  const { store, job, submit, read, clock } = await claimed(provider)
  await store.cancelJob({ jobId: job.id, now: clock.now() })
  await submit()
  expect(provider.submits).toEqual([])
  expect(await read()).toMatchObject({ status: 'canceled', tasks: [{ charge: 'none' }] })
})

test('what was claimed but may not leave any more waits again, and is not billed', async () => {
  const provider = await fakeProvider()
  const { submit, read, clock } = await claimed(provider)
  await submit(false)
  expect(provider.submits).toEqual([])
  expect(await read()).toMatchObject({ status: 'queued', tasks: [{ charge: 'none', dueAt: clock.now() }] })
})

test('what cannot even be made up is not submitted, and waits for another try', async () => {
  const provider = await fakeProvider()
  const { log, submit, read, clock } = await claimed(provider, {
    // A picture that should have been fetched before.
    job: { request: { ...request, edit: { ...request.edit, model: 'gpt-image-1' } } },
  })
  await submit()
  expect(provider.submits).toEqual([])
  expect(log.lines).toMatchObject([{ level: 'error', event: 'task.submit_broke' }])
  expect(await read()).toMatchObject({ status: 'queued', tasks: [{ charge: 'none', dueAt: clock.now() + 10_000 }] })
})

test.each(['before', 'after'] as const)(
  'an id that cannot be written down at first is not forgotten (failing %s the write)',
  async when => {
    const provider = await fakeProvider()
    const { clock, submit, read } = await claimed(provider, {
      change: store => ({ taskSubmitted: faulty(a => store.taskSubmitted(a), 3, unavailable, when) }),
    })
    await passingTime(clock, submit())
    expect(await read()).toMatchObject({ tasks: [{ status: 'submitted', providerTaskId: 't-1', attempts: 1 }] })
    expect(provider.submits).toHaveLength(1)
  },
)

test.each(['before', 'after'] as const)(
  'a picture whose row cannot be confirmed at first is not removed (failing %s the write)',
  async when => {
    const b64_json = (await picture()).toString('base64')
    const provider = await fakeProvider(({ response }) => json(response, 200, { data: [{ b64_json }] }))
    const { blobs, clock, submit, read } = await claimed(provider, {
      change: store => ({ applyResult: faulty(a => store.applyResult(a), 1, unavailable, when) }),
    })
    await passingTime(clock, submit())
    const job = await read()
    expect(job).toMatchObject({ status: 'succeeded', images: [{ contentType: 'image/png' }] })
    expect(await blobs.files(job.id)).toHaveLength(1)
  },
)

test('what breaks after a submit has left makes it unconfirmed: it is looked for, and not sent again', async () => {
  const provider = await fakeProvider(accept)
  const { log, submit, read } = await claimed(provider, {
    change: store => ({ taskSubmitted: faulty(a => store.taskSubmitted(a), 1, new Error('a bug'), 'before') }),
  })
  await submit()
  expect(log.lines.map(line => line.event)).toContain('task.submit_broke')
  expect(await read()).toMatchObject({ status: 'processing', tasks: [{ status: 'unconfirmed', charge: 'possible' }] })
})
