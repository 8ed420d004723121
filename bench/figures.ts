/** The middle of several rounds, and how far they lie apart. */
export type Spread = { median: number; min: number; max: number }

/** What a figure is to reach: of the ratio to its baseline, or of the value itself. Both ends count as reached. */
export type Aim = { of: 'ratio' | 'value'; least?: number; most?: number }

/** One line of the results: the same rounds on both sides, in turns. */
export type Figure = {
  /** With its unit. */
  name: string
  darkroom: readonly number[]
  against?: { name: string; values: readonly number[] }
  aim?: Aim
}

/** The value below which a part (0 to 1) of the sorted values lies; NaN where there are none. */
export function quantile(sorted: ArrayLike<number>, part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

/** Of an even number of values the median is the mean of the middle two. NaN where there are none. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const median =
    sorted.length % 2 === 1 ? quantile(sorted, 0.5) : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? 0)) / 2
  return { median, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN }
}

export const medianOf = (values: readonly number[]): number => spreadOf(values).median

/** Each round's ratio to its own pair: what disturbs the machine for a while disturbs both alike. null: there is no baseline. */
export function ratiosOf({ darkroom, against }: Figure): number[] | null {
  if (against === undefined) return null
  return darkroom.map((value, index) => value / (against.values[index] ?? Number.NaN))
}

/** Whether the median reaches the aim; null where there is none. What could not be measured reaches nothing. */
export function isMet(figure: Figure): boolean | null {
  const { aim } = figure
  if (aim === undefined) return null
  const values = aim.of === 'ratio' ? ratiosOf(figure) : figure.darkroom
  const { median } = spreadOf(values ?? [])
  return median >= (aim.least ?? Number.NEGATIVE_INFINITY) && median <= (aim.most ?? Number.POSITIVE_INFINITY)
}
