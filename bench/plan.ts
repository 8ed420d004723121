import type { BodiesPlan } from './parts/bodies.ts'
import type { CallbacksPlan } from './parts/callbacks.ts'
import type { FootprintPlan } from './parts/footprint.ts'
import type { GrowthPlan } from './parts/growth.ts'
import type { QuietPlan } from './parts/quiet.ts'
import type { ReadsPlan } from './parts/reads.ts'
import type { StreamsPlan } from './parts/streams.ts'
import type { SubmitsPlan } from './parts/submits.ts'

/** How much of everything. */
export type Plan = {
  callbacks: CallbacksPlan
  reads: ReadsPlan
  bodies: BodiesPlan
  quiet: QuietPlan
  submits: SubmitsPlan
  streams: StreamsPlan
  footprint: FootprintPlan
  growth: GrowthPlan
}

export const full: Plan = {
  callbacks: { rounds: 7, perRound: 6_000, warmUp: 6_000, whileCopying: 3_000 },
  reads: {
    jobs: 1_000_000,
    rounds: 7,
    perRound: 6_000,
    warmUp: 8_000,
    hotJobs: 50,
    spreadJobs: 20_000,
    deepPage: 1_000,
    pages: 200,
  },
  bodies: { rounds: 5, sizesMb: [1, 8, 30], atOnce: [1, 32], alone: 3, idleMs: 3_000 },
  quiet: { rounds: 5, bodyMb: 30, atOnce: 16, each: 2, quietMs: 3_000, jobsRead: 200 },
  submits: { rounds: 5, atOnce: [1, 16, 64], perRound: 600, perRoundAlone: 100, providerMs: 20 },
  streams: { rounds: 9, readers: 2_000 },
  footprint: { jobs: 1_000_000, rounds: 5, idleMs: 3_000, buildImage: true },
  growth: { sizes: [10_000, 100_000, 1_000_000], rounds: 5, writes: 1_000, reads: 500, steps: 5 },
}

/** Only shows that everything works: nothing is warm, and nothing is large. */
export const short: Plan = {
  callbacks: { rounds: 2, perRound: 300, warmUp: 100, whileCopying: 100 },
  reads: { jobs: 2_000, rounds: 2, perRound: 200, warmUp: 100, hotJobs: 10, spreadJobs: 300, deepPage: 20, pages: 10 },
  bodies: { rounds: 1, sizesMb: [1, 2], atOnce: [1, 4], alone: 1, idleMs: 200 },
  quiet: { rounds: 1, bodyMb: 2, atOnce: 2, each: 2, quietMs: 300, jobsRead: 10 },
  submits: { rounds: 1, atOnce: [1, 16], perRound: 20, perRoundAlone: 5, providerMs: 5 },
  streams: { rounds: 2, readers: 50 },
  footprint: { jobs: 2_000, rounds: 1, idleMs: 200, buildImage: false },
  growth: { sizes: [500, 1_000, 2_000], rounds: 1, writes: 50, reads: 20, steps: 1 },
}
