import type { JobFilter, JobStore } from '../../src/domain/store.ts'
import { owner } from '../rows/identity.ts'
import { rare } from '../rows/template.ts'
import type { GrowthPlan, Probe } from './growth.ts'
import type { Stocked } from './growth-store.ts'

/** These may be slow. */
const few = 3
const sampled = 200
const firstPage: JobFilter = { owner, status: null, model: null, before: null, limit: 21 }

/** How long one of several calls took on average, one after the other, in µs. */
async function eachUs(count: number, call: (index: number) => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  for (let index = 0; index < count; index += 1) await call(index)
  return ((performance.now() - startedAt) * 1_000) / count
}

async function wantSome(rows: Promise<readonly unknown[]>): Promise<void> {
  if ((await rows).length === 0) throw new Error('a list that holds something was empty')
}

export function readProbes({ reads }: GrowthPlan): Probe[] {
  const probe = (
    name: string,
    count: number,
    call: (store: JobStore, stocked: Stocked, index: number) => Promise<unknown>,
  ): Probe => ({
    name,
    unit: 'µs',
    run: stocked => eachUs(count, index => call(stocked.store, stocked, index)),
  })
  const list = (name: string, count: number, filter: Partial<JobFilter>): Probe =>
    probe(name, count, store => wantSome(store.jobs({ ...firstPage, ...filter })))
  return [
    probe('a job by its id', reads, async (store, { jobIds }, index) => {
      if ((await store.job(jobIds[index % jobIds.length] ?? '')) === null) throw new Error('a job that is stored was not found')
    }),
    probe('a job by its task_id', reads, async (store, { providerTaskIds }, index) =>
      wantSome(store.jobsByProviderTask(providerTaskIds[index % providerTaskIds.length] ?? '')),
    ),
    list('first page', reads / 10, {}),
    probe('a deep page', reads / 10, (store, { deepBefore }) => wantSome(store.jobs({ ...firstPage, before: deepBefore }))),
    list('a page of a status that most have', reads / 10, { status: 'succeeded' }),
    list('a page of a model that many have', reads / 10, { model: 'nano-banana' }),
    list('a page of a rare status', few, { status: rare.status }),
    list('a page of a rare model', few, { model: rare.model }),
    list('a page of a rare model, for the administrator', few, { owner: null, model: rare.model }),
    list('a page of a rare status, for the administrator', few, { owner: null, status: rare.status }),
    probe('the count for retrieve_batch of all', few, store => store.countJobs({ ...firstPage, limit: 12 })),
    probe('retrieve_batch of the twelve oldest, by their time', few, async (store, { oldest }) => {
      const filter = { ...firstPage, limit: 12, createdFrom: oldest.fromAt, createdTo: oldest.toAt }
      await wantSome(store.jobs(filter))
      if ((await store.countJobs(filter)) === 0) throw new Error('jobs that are stored were not counted')
    }),
    probe('events after an old id, of a key that has few', few, store => store.eventsAfter('nobody', 0, 50)),
    probe('how long jobs took lately', few, store => store.recentDurations(sampled)),
    probe('what the steps have to do next', few, store =>
      Promise.all([store.nextQueuedAt(), store.nextExpiryAt(), store.nextPollAt(), store.nextCopyAt(), store.nextDeliveryAt()]),
    ),
  ]
}
