import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { newJob } from '../support/jobs.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { startTestService } from '../support/service.ts'
import { testStore } from '../support/store.ts'

const claim = { by: 'test', until: 3_000_000, now: 2_000_000, maxInFlight: 1_000_000, unconfirmedCountsMs: 0 }

test('a job in the queue says how many tasks leave before its first, whatever the keys and their turns', async () => {
  const store = await testStore()
  const owners = fc.constantFrom('ann', 'bob', 'cyd')
  const orders = fc.array(fc.record({ owner: owners, tasks: fc.integer({ min: 1, max: 3 }) }), { maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(orders, fc.integer({ min: 0, max: 4 }), async (wishes, left) => {
      const jobs = wishes.map(({ owner, tasks }) => newJob({ owner, tasks }))
      for (const job of jobs) await store.createJob(job)
      // Some turns were taken before.
      if (left > 0) await store.claimTasks({ ...claim, limit: left })
      const said = new Map<string, number>()
      for (const { id } of jobs) {
        const job = await store.job(id)
        expect(job?.queuePosition === null).toBe(job?.status !== 'queued')
        if (job !== null && job.queuePosition !== null) said.set(id, job.queuePosition)
      }
      const leaving: string[] = []
      for (;;) {
        const [task] = await store.claimTasks({ ...claim, limit: 1 })
        if (task === undefined) break
        leaving.push(task.jobId)
      }
      for (const [id, position] of said) expect(position).toBe(leaving.indexOf(id))
    }),
    { numRuns: 60 },
  )
})

test('the place in the queue is read anew each time, and is null when the job no longer waits', async () => {
  const service = await startTestService({ MAX_IN_FLIGHT: '1', SANDBOX_FAULTS: 'lost' })
  const image = dataUrl(await picture())
  const jobs: { id: string; queue_position: number | null }[] = []
  for (const prompt of ['a', 'b', 'c'])
    jobs.push((await (await service.submit({ prompt, image })).json()) as (typeof jobs)[number])
  expect(jobs.map(job => job.queue_position)).toEqual([null, 0, 1])
  const [first, second, third] = jobs
  const read = async (job: { id: string } | undefined): Promise<number | null> =>
    ((await (await service.call(`/jobs/${job?.id}`)).json()) as (typeof jobs)[number]).queue_position
  expect([await read(first), await read(second), await read(third)]).toEqual([null, 0, 1])
  await service.call(`/jobs/${second?.id}/cancel`, { method: 'POST' })
  expect([await read(second), await read(third)]).toEqual([null, 0])
})
