import { newJob, type PreparedTask, providerIdOf, receiptOf, resultOf, traceOf } from '../rows/jobs.ts'
import type { GrowthPlan, Probe } from './growth.ts'
import type { Stocked } from './growth-store.ts'

const hourMs = 3_600_000
/** As the steps do it. */
const expireAtOnce = 50
const jobsAtOnce = 20
const overdueMs = 60_000
const sinceEver = Number.MAX_SAFE_INTEGER

/** How long one of several took that were asked for at once, in µs. */
async function atOnceUs<T>(items: readonly T[], write: (item: T) => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await Promise.all(items.map(write))
  return ((performance.now() - startedAt) * 1_000) / items.length
}

async function meanMs(count: number, step: () => Promise<number>, wanted: number): Promise<number> {
  const startedAt = performance.now()
  for (let index = 0; index < count; index += 1) {
    const done = await step()
    if (done !== wanted) throw new Error(`a step did ${done} instead of ${wanted}`)
  }
  return (performance.now() - startedAt) / count
}

async function claimAll({ store }: Stocked): Promise<PreparedTask[]> {
  const now = Date.now()
  const claim = { by: 'bench', until: now + hourMs, now, maxInFlight: 10_000_000, unconfirmedCountsMs: 0 }
  return (await store.claimTasks(claim)).map(task => ({ ...task, providerTaskId: `later-${providerIdOf(task.taskId)}` }))
}

/** A job's way through the store, in the order of its life: each finds what the one before it left. */
export function writeProbes({ writes }: GrowthPlan): Probe[] {
  const create = ({ store, newId }: Stocked): Promise<number> => {
    const jobs = Array.from({ length: writes }, () => newJob(newId('job'), Date.now()))
    return atOnceUs(jobs, job => store.createJob(job))
  }
  const submit = ({ store }: Stocked, tasks: readonly PreparedTask[]): Promise<number> =>
    atOnceUs(tasks, ({ taskId, providerTaskId }) => {
      const now = Date.now()
      return store.taskSubmitted({ taskId, providerTaskId, traceId: traceOf(taskId), now, pollAt: now + hourMs })
    })
  const apply = ({ store }: Stocked, tasks: readonly PreparedTask[]): Promise<number> =>
    atOnceUs(tasks, async task => {
      const now = Date.now()
      const result = resultOf(task, now)
      const receipt = receiptOf(task, now)
      const applied = await store.applyResult({
        taskId: task.taskId,
        result,
        source: 'callback',
        now,
        copyAt: now + hourMs,
        receipt,
      })
      if (applied.outcome !== 'applied') throw new Error(`a result was ${applied.outcome}`)
    })
  return [
    { name: 'a job written', unit: 'µs', run: create },
    {
      name: 'a task claimed',
      unit: 'µs',
      async run(stocked) {
        await create(stocked)
        const startedAt = performance.now()
        const tasks = await claimAll(stocked)
        const durationMs = performance.now() - startedAt
        await submit(stocked, tasks)
        await apply(stocked, tasks)
        return (durationMs * 1_000) / tasks.length
      },
    },
    {
      name: 'a callback applied',
      unit: 'µs',
      async run(stocked) {
        await create(stocked)
        const tasks = await claimAll(stocked)
        await submit(stocked, tasks)
        return apply(stocked, tasks)
      },
    },
  ]
}

/** Steps that run beside the requests. */
export function stepProbes({ steps }: GrowthPlan): Probe[] {
  return [
    {
      name: `a step of the sweep (${expireAtOnce} tasks)`,
      unit: 'ms',
      async run({ store, newId }) {
        const jobs = Array.from({ length: steps * expireAtOnce }, () =>
          newJob(newId('job'), Date.now() - overdueMs, { timeoutS: 1 }),
        )
        await Promise.all(jobs.map(job => store.createJob(job)))
        return meanMs(steps, () => store.expireDue({ now: Date.now(), limit: expireAtOnce }), expireAtOnce)
      },
    },
    {
      name: `a step of retention (${jobsAtOnce} jobs)`,
      unit: 'ms',
      run: ({ store }) =>
        meanMs(
          steps,
          async () => (await store.dropJobs({ completedBefore: sinceEver, limit: jobsAtOnce, now: Date.now() })).length,
          jobsAtOnce,
        ),
    },
  ]
}
