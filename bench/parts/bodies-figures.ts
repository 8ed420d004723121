import type { Figure } from '../figures.ts'
import type { Case, Round, Runs } from './bodies-case.ts'

export type Done = { one: Case; runs: Runs }

const nameOf = ({ body, atOnce }: Case): string => `${body.name}, ${atOnce} at once`
const speeds = (rounds: readonly Round[]): number[] => rounds.map(round => round.speed)
const grown = (rounds: readonly Round[]): number[] => rounds.map(round => round.grownMb)

/** What the largest is to be, where one comes at a time. */
const largestMb = 30
const fasterThanBuffer = { of: 'ratio', least: 4 } as const
const mostGrown = { of: 'value', most: 100 } as const
/** With the size alone; this leaves room for noise. */
const mostTimes = { of: 'ratio', most: 1.5 } as const

export function speedFigures({ one, runs }: Done): Figure[] {
  const speed = { name: `${nameOf(one)}, MB/s`, darkroom: speeds(runs.darkroom) }
  const memory = { name: `${nameOf(one)}, MB over idle`, darkroom: grown(runs.darkroom) }
  const toDisk = { ...speed, against: { name: 'the disk alone', values: speeds(runs.disk) } }
  if (runs.buffer === null) return [toDisk, memory]
  const name = 'buffer and parse'
  const aim = one.sizeMb === largestMb && one.atOnce === 1 ? { aim: fasterThanBuffer } : {}
  return [
    toDisk,
    { ...speed, against: { name, values: speeds(runs.buffer) }, ...aim },
    { ...memory, against: { name, values: grown(runs.buffer) } },
  ]
}

/** The most at once: how much memory that takes, and whether it grows with the size. */
export function memoryFigures(all: readonly Done[]): Figure[] {
  const most = Math.max(...all.map(({ one }) => one.atOnce))
  const busiest = all.filter(({ one }) => one.atOnce === most).toSorted((a, b) => a.one.sizeMb - b.one.sizeMb)
  const [largest, before] = [busiest.at(-1), busiest.at(-2)]
  if (largest === undefined || before === undefined) return []
  const values = grown(largest.runs.darkroom)
  return [
    { name: `${nameOf(largest.one)}: the worst peak over idle, MB`, darkroom: [Math.max(...values)], aim: mostGrown },
    {
      name: `${nameOf(largest.one)}: how it grows with the size, MB`,
      darkroom: values,
      against: { name: nameOf(before.one), values: grown(before.runs.darkroom) },
      aim: mostTimes,
    },
  ]
}

/** Which were measured without buffer-and-parse. */
export function leftOut(all: readonly Done[]): string[] {
  return all
    .filter(({ runs }) => runs.buffer === null)
    .map(({ one }) => `${nameOf(one)}: buffer-and-parse was left out, there is too little memory for it`)
}
