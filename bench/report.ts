import { type Aim, type Figure, isMet, ratiosOf, type Spread, spreadOf } from './figures.ts'

/** What one part of the bench found. */
export type Section = {
  title: string
  figures: readonly Figure[]
  /** Sentences: what was measured on what, and what was checked. */
  notes: readonly string[]
  /** Why there are no figures: a part that did not work, or an answer that was wrong. */
  failure?: string
}

function plain(value: number): string {
  if (Number.isNaN(value)) return 'unknown'
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString('en')
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2)
}

function told({ median, min, max }: Spread, text: (value: number) => string): string {
  return text(min) === text(max) ? text(median) : `${text(median)} (${text(min)}–${text(max)})`
}

export function aimText({ of, least, most }: Aim): string {
  const ends = [
    ...(least === undefined ? [] : [`≥ ${least.toLocaleString('en')}`]),
    ...(most === undefined ? [] : [`≤ ${most.toLocaleString('en')}`]),
  ]
  return ends.join(', ') + (of === 'ratio' ? ' ×' : '')
}

function cellsOf(figure: Figure): string[] {
  const { against, aim } = figure
  const ratios = ratiosOf(figure)
  const verdict = isMet(figure)
  return [
    figure.name,
    told(spreadOf(figure.darkroom), plain),
    against === undefined ? '' : `${against.name}: ${told(spreadOf(against.values), plain)}`,
    ratios === null ? '' : told(spreadOf(ratios), value => value.toFixed(2)),
    aim === undefined ? '' : aimText(aim),
    verdict === null ? '' : verdict ? 'met' : '**not met**',
  ]
}

const titles = ['', 'Darkroom', 'compared with', 'ratio', 'aim', '']

/** A table in Markdown, its columns in line so that it reads in a terminal too. */
function table(rows: readonly string[][]): string {
  const widths = titles.map((title, index) => Math.max(3, title.length, ...rows.map(row => row[index]?.length ?? 0)))
  const line = (cells: readonly string[]): string => `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`
  return [line(titles), line(widths.map(width => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

/** One part's results as Markdown. */
export function markdownOf({ title, figures, notes, failure }: Section): string {
  const parts = [`### ${title}`]
  if (failure !== undefined) parts.push(`**void**: ${failure}`)
  else if (figures.length > 0) parts.push(table(figures.map(cellsOf)))
  if (notes.length > 0) parts.push(notes.map(note => `- ${note}`).join('\n'))
  return parts.join('\n\n')
}

/** The same for machines: each figure with all of its rounds. */
export function jsonOf(sections: readonly Section[], about: readonly string[]): string {
  const figure = (one: Figure) => {
    const ratios = ratiosOf(one)
    return { ...one, median: spreadOf(one.darkroom).median, ratio: ratios === null ? null : spreadOf(ratios), met: isMet(one) }
  }
  return JSON.stringify({ about, sections: sections.map(one => ({ ...one, figures: one.figures.map(figure) })) }, null, 2)
}

const marks = { start: '<!-- results -->', end: '<!-- /results -->' } as const

/** A page with what stands between its two marks replaced. @throws Error where a mark is missing. */
export function withResults(page: string, results: string): string {
  const start = page.indexOf(marks.start)
  const end = page.indexOf(marks.end, start)
  if (start < 0 || end < 0) throw new Error(`the page needs a line ${marks.start} and, after it, a line ${marks.end}`)
  return `${page.slice(0, start + marks.start.length)}\n\n${results}\n\n${page.slice(end)}`
}
