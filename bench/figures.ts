/** The middle of several rounds, and how far they lie apart. */
export type Spread = { median: number; min: number; max: number }

export function quantile(sorted: ArrayLike<number>, part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const median = sorted.length % 2 === 1 ? quantile(sorted, 0.5) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
  return { median, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN }
}

function plain(value: number): string {
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString('en')
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2)
}

/** `9,120 (8,700–9,300)` */
function told({ median, min, max }: Spread): string {
  return `${plain(median)} (${plain(min)}–${plain(max)})`
}

const widths = [26, 28, 28]

export function header(...titles: readonly string[]): void {
  console.log(titles.map((title, index) => title.padEnd(widths[index] ?? 0)).join(''))
}

/** Two columns of the same rounds and the ratio of each round's pair: what disturbs the machine disturbs both alike. */
export function row(name: string, darkroom: readonly number[], bare: readonly number[]): void {
  const ratio = spreadOf(darkroom.map((value, index) => value / (bare[index] ?? Number.NaN)))
  const cells = [name, told(spreadOf(darkroom)), told(spreadOf(bare))]
  const text = `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)})`
  console.log(`${cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join('')}${text}`)
}

export function line(text: string): void {
  console.log(text)
}
