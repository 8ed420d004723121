import { expect, test } from 'vitest'
import { makePace } from '../../src/steps/pace.ts'
import { testClock } from '../support/clock.ts'
import { newJob, request, succeeded } from '../support/jobs.ts'
import { testStore } from '../support/store.ts'

const claim = { by: 'me', maxInFlight: 1_000, unconfirmedCountsMs: 0 }

/** A store on a clock, in which jobs of a size can be taken and finished. */
async function setUp() {
  const store = await testStore()
  const clock = testClock()
  const begin = async (size: string) => {
    const now = clock.now()
    const job = newJob({ now, request: { ...request, edit: { ...request.edit, params: { size } } } })
    await store.createJob(job)
    const [task] = await store.claimTasks({ ...claim, now, until: now + 60_000 })
    const taskId = task?.taskId ?? -1
    await store.taskSubmitted({ taskId, providerTaskId: null, traceId: null, now, pollAt: null })
    return { id: job.id, taskId }
  }
  const finish = async (size: string, durationMs: number) => {
    const { taskId } = await begin(size)
    const now = clock.now() + durationMs
    await store.applyResult({ taskId, result: succeeded(), source: 'callback', now, copyAt: now, receipt: null })
  }
  const pace = makePace(store, clock)
  const advise = async (id: string) => {
    const job = await store.job(id)
    if (job === null) throw new Error('no such job')
    return pace.retryAfterS(job)
  }
  return { clock, begin, finish, advise }
}

test('where nothing is known yet, a minute is advised', async () => {
  const { begin, advise } = await setUp()
  const { id } = await begin('1024x1024')
  expect(await advise(id)).toBe(60)
})

test('what is left of the usual time for this model and size is advised, be it one that took long once', async () => {
  const { clock, begin, finish, advise } = await setUp()
  for (const durationMs of [80_000, 90_000, 900_000]) await finish('1024x1024', durationMs)
  for (const durationMs of [400_000]) await finish('2880x2880', durationMs)
  const small = await begin('1024x1024')
  const large = await begin('2880x2880')
  expect(await advise(small.id)).toBe(90)
  expect(await advise(large.id)).toBe(400)
  await clock.advance(70_000)
  expect(await advise(small.id)).toBe(20)
  // Later than usual already: not at once again and again.
  await clock.advance(50_000)
  expect(await advise(small.id)).toBe(23)
})

test('for a job that is final nothing is advised', async () => {
  const { finish, advise, begin } = await setUp()
  await finish('1024x1024', 1_000)
  const { id } = await begin('1024x1024')
  expect(await advise(id)).not.toBeNull()
  const { id: other } = await begin('auto')
  expect(await advise(other)).toBe(60)
})
