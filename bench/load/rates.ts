import { type Aim, type Figure, quantile } from '../figures.ts'
import type { Run } from './generate.ts'

export const aSecond = ({ requests, durationMs }: Run): number => (requests / durationMs) * 1_000
export const p50 = ({ latenciesMs }: Run): number => quantile(latenciesMs, 0.5)
export const p99 = ({ latenciesMs }: Run): number => quantile(latenciesMs, 0.99)
export const cpuEachUs = ({ cpuMs, requests }: Run): number => (cpuMs / requests) * 1_000

/** The usual four lines about one load on two servers. */
export function rateFigures(
  what: string,
  darkroom: readonly Run[],
  against: { name: string; runs: readonly Run[] },
  aims: { rate?: Aim; p99?: Aim } = {},
): Figure[] {
  const each = (name: string, figure: (run: Run) => number, aim?: Aim): Figure => ({
    name: `${what}${name}`,
    darkroom: darkroom.map(figure),
    against: { name: against.name, values: against.runs.map(figure) },
    ...(aim === undefined ? {} : { aim }),
  })
  return [
    each(' a second', aSecond, aims.rate),
    each(', p50 ms', p50),
    each(', p99 ms', p99, aims.p99),
    each(', server CPU µs each', cpuEachUs),
  ]
}
