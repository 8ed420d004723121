import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Figure } from '../figures.ts'
import type { Part } from '../part.ts'
import { inTurns } from '../rounds.ts'
import { copyStock } from '../rows/stock.ts'
import { readProbes } from './growth-reads.ts'
import { openStocked, type Stocked } from './growth-store.ts'
import { stepProbes, writeProbes } from './growth-writes.ts'

export type GrowthPlan = {
  /** How many jobs are stored, the fewest first. */
  sizes: readonly number[]
  rounds: number
  /** Jobs written at once, reads one after the other, and steps of the sweep and of retention in each round. */
  writes: number
  reads: number
  steps: number
}

/** One thing that the store is asked for; gives how long one of it took. */
export type Probe = { name: string; unit: 'µs' | 'ms'; run(stocked: Stocked): Promise<number> }

/** What takes twice as long with ten times as many, and half as long again with a hundred times, is logarithmic; this leaves room for noise. */
const mostTimes = 3

const told = (jobs: number): string => `${jobs.toLocaleString('en')} jobs`

/** The store itself, with ever more jobs in it. */
export const growth: Part<GrowthPlan> = async (plan, { folder, later, say }) => {
  const stocks: Record<string, Stocked> = {}
  const bytesEach: Record<string, number> = {}
  for (const size of plan.sizes) {
    const path = join(folder, `${size}.db`)
    await copyStock(size, path, say)
    bytesEach[told(size)] = (await stat(path)).size / size
    stocks[told(size)] = await openStocked(later, path, plan)
  }
  const [fewest = '', ...others] = Object.keys(stocks)
  const figures: Figure[] = []
  const compare = (name: string, values: Readonly<Record<string, readonly number[]>>, judged: boolean): void => {
    for (const size of others) {
      const against = { name: fewest, values: values[fewest] ?? [] }
      const aim = judged && size === others.at(-1) ? { aim: { of: 'ratio', most: mostTimes } as const } : {}
      figures.push({ name: `${name}, with ${size}`, darkroom: values[size] ?? [], against, ...aim })
    }
  }
  // Retention last: it takes away what the others look for.
  for (const probe of [...readProbes(plan), ...writeProbes(plan), ...stepProbes(plan)]) {
    const sides = Object.entries(stocks).map(([size, stocked]) => [size, () => probe.run(stocked)] as const)
    const values = await inTurns(plan.rounds + 1, Object.fromEntries(sides))
    const warm = Object.fromEntries(Object.entries(values).map(([size, times]) => [size, times.slice(1)]))
    compare(`${probe.name}, ${probe.unit}`, warm, true)
  }
  compare(
    'database for a job, bytes',
    Object.fromEntries(Object.entries(bytesEach).map(([size, bytes]) => [size, [bytes]])),
    false,
  )
  return {
    figures,
    notes: [
      'the store itself, in this process, as the service opens it: reads on this thread, writes committed in groups (FULL) by a thread of its own',
      `writes: ${plan.writes.toLocaleString('en')} asked for at once; reads: ${plan.reads} one after the other; ${plan.steps} steps a round`,
      `growth is called logarithmic up to ${mostTimes} × from ${fewest} to ${others.at(-1)}`,
    ],
  }
}
