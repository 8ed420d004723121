/** The parts, in the order in which they run. */
export const partNames = ['callbacks', 'reads', 'bodies', 'quiet', 'submits', 'streams', 'footprint', 'growth'] as const
export type PartName = (typeof partNames)[number]

export type Arguments = {
  parts: readonly PartName[]
  /** Tiny sizes: only shows that everything works. */
  short: boolean
  json: boolean
  /** Put the results into docs/benchmarks.md. */
  write: boolean
}

const flags = ['--short', '--json', '--write'] as const

export const usage = `npm run bench -- [${flags.join('] [')}] [${partNames.join('|')} …]`

const isPart = (text: string): text is PartName => partNames.some(name => name === text)
const isFlag = (text: string): boolean => flags.some(flag => flag === text)

/** @returns the arguments, or what is wrong with them. */
export function readArguments(given: readonly string[]): Arguments | { problem: string } {
  const unknown = given.find(text => !isFlag(text) && !isPart(text))
  if (unknown !== undefined) return { problem: `${unknown} is neither a part nor a flag` }
  const named = partNames.filter(name => given.includes(name))
  const short = given.includes('--short')
  const write = given.includes('--write')
  // The page would hold figures that say nothing, or lose those of the other parts.
  if (write && (short || named.length > 0)) return { problem: '--write goes with a run of all parts in full' }
  return { parts: named.length === 0 ? partNames : named, short, json: given.includes('--json'), write }
}
