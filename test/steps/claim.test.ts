import { expect, onTestFinished, test } from 'vitest'
import { ServiceError } from '../../src/domain/errors.ts'
import type { JobStore } from '../../src/domain/store.ts'
import { startSubmit } from '../../src/steps/submit.ts'
import { newJob } from '../support/jobs.ts'
import { accept, failure, fakeProvider, json, until } from './setting.ts'
import { openSubmitting } from './submitting.ts'

type Claim = JobStore['claimTasks']

/**
 * The step on a store and a provider. `history` has how many commands each commit held, and each submit, as they come.
 * @param change stands between the step and the store's claims.
 * @param answer what the provider does with each submit.
 */
async function running(change: (claim: Claim) => Claim = claim => claim, answer: Parameters<typeof fakeProvider>[0] = accept) {
  const history: (number | 'submit')[] = []
  const provider = await fakeProvider((sent, index) => {
    history.push('submit')
    answer(sent, index)
  })
  const submitting = await openSubmitting(provider.url, commands => history.push(commands))
  const { store, clock, log } = submitting
  const step = startSubmit({
    ...submitting,
    store: { ...store, claimTasks: change(a => store.claimTasks(a)) },
    firstPollAt: () => null,
    maxInFlight: 10,
    by: 'me',
  })
  const close = () => step.close(AbortSignal.abort())
  onTestFinished(close)
  // The first look, for what an earlier process left.
  await step.claimAfter(async () => {})
  history.length = 0

  async function create(): Promise<string> {
    const now = clock.now()
    const job = newJob({ now, expiresAt: now + 1_800_000 })
    await store.createJob(job)
    return job.id
  }
  const statusOf = async (jobId: string) => (await store.job(jobId))?.tasks[0]?.status
  return { step, store, provider, clock, log, history, create, statusOf }
}

test('a job and the claim of its task are one commit, and nothing is sent before it', async () => {
  const { step, create, history, statusOf } = await running()
  const jobId = await step.claimAfter(create)
  expect(await statusOf(jobId)).toBe('submitting')
  await until(() => history.includes('submit'))
  expect(history.slice(0, 2)).toEqual([2, 'submit'])
})

test('jobs that come in one turn share a claim', async () => {
  const { step, create, history, provider } = await running()
  await Promise.all([step.claimAfter(create), step.claimAfter(create), step.claimAfter(create)])
  expect(history[0]).toBe(4)
  await until(() => provider.submits.length === 3)
})

test('a write that fails is told of as it failed, and holds up nothing', async () => {
  const { step, create, statusOf } = await running()
  const full = new ServiceError('storage_full', 'the disk is full')
  const [failed, jobId] = await Promise.all([
    step.claimAfter(() => Promise.reject(full)).catch((error: unknown) => error),
    step.claimAfter(create),
  ])
  expect(failed).toBe(full)
  expect(await statusOf(jobId)).not.toBe('queued')
})

test('where the claim beside it fails, a job is claimed after it is written', async () => {
  let fails = false
  const { step, create, statusOf, provider } = await running(claim => async a => {
    if (!fails) return claim(a)
    fails = false
    throw new ServiceError('unavailable', 'too many writes wait')
  })
  fails = true
  const jobId = await step.claimAfter(create)
  expect(await statusOf(jobId)).toBe('submitting')
  await until(() => provider.submits.length === 1)
})

test('what is claimed while the provider refuses the account is not sent, and waits for the end of the pause', async () => {
  let claims = 0
  const { step, create, statusOf, provider, clock, log } = await running(
    claim => async a => {
      const tasks = await claim(a)
      claims += tasks.length
      if (claims === 2 && tasks.length > 0) {
        const [first] = provider.submits
        if (first !== undefined) json(first.response, 401, failure('invalid_token'))
        await until(() => log.lines.some(line => line.event === 'submitting.paused'))
      }
      return tasks
    },
    (sent, index) => {
      if (index > 0) accept(sent, index)
    },
  )
  await step.claimAfter(create)
  await until(() => provider.submits.length === 1)
  const late = await step.claimAfter(create)
  await until(async () => (await statusOf(late)) === 'queued')
  expect(provider.submits).toHaveLength(1)
  await clock.advance(60_000)
  await until(async () => (await statusOf(late)) === 'submitted')
  expect(provider.submits).toHaveLength(2)
})

test('stopping waits for a claim that is under way, and for what it claims', async () => {
  const claimed = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  let holds = false
  const { step, create, statusOf } = await running(claim => async a => {
    const tasks = await claim(a)
    if (holds) {
      claimed.resolve()
      await go.promise
    }
    return tasks
  })
  holds = true
  const creating = step.claimAfter(create)
  await claimed.promise
  const closed = step.close(new AbortController().signal)
  // Not before the step has begun to wait.
  setImmediate(go.resolve)
  await closed
  expect(await statusOf(await creating)).toBe('submitted')
})

test('after the stop nothing is claimed', async () => {
  const { step, create, statusOf, provider } = await running()
  const creating = step.claimAfter(create)
  await step.close(new AbortController().signal)
  expect(await statusOf(await creating)).toBe('queued')
  expect(provider.submits).toEqual([])
})
