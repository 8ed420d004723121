import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { jsonOf, markdownOf, type Section, withResults } from '../../bench/report.ts'

const section: Section = {
  title: 'Reads',
  figures: [
    {
      name: 'reads a second',
      darkroom: [8_000, 9_000, 7_000],
      against: { name: 'bare Fastify', values: [10_000, 10_000, 10_000] },
      aim: { of: 'ratio', least: 0.85 },
    },
    { name: 'idle memory, MB', darkroom: [80.04], aim: { of: 'value', most: 90 } },
  ],
  notes: ['one note'],
}

/** A table's rows, without the blanks that keep its columns in line. */
const rows = (markdown: string): string[][] =>
  markdown
    .split('\n')
    .filter(line => line.startsWith('|'))
    .map(line =>
      line
        .slice(1, -1)
        .split('|')
        .map(cell => cell.trim()),
    )

test('a table has the median with its ends, the baseline, the ratio, and whether the aim is met', () => {
  const [, , reads, memory] = rows(markdownOf(section))
  expect(reads).toEqual([
    'reads a second',
    '8,000 (7,000–9,000)',
    'bare Fastify: 10,000',
    '0.80 (0.70–0.90)',
    '≥ 0.85 ×',
    '**not met**',
  ])
  expect(memory).toEqual(['idle memory, MB', '80.0', '', '', '≤ 90', 'met'])
})

test('all rows of a table are of one width', () => {
  const lines = markdownOf(section)
    .split('\n')
    .filter(line => line.startsWith('|'))
  expect(new Set(lines.map(line => line.length)).size).toBe(1)
})

test('a part that failed is void, and shows no figure', () => {
  const text = markdownOf({ ...section, failure: 'GET /jobs was answered with 500' })
  expect(text).toContain('**void**: GET /jobs was answered with 500')
  expect(text).not.toContain('|')
})

test('machines get every round, the ratio and the verdict', () => {
  const told = JSON.parse(jsonOf([section], ['a machine']))
  expect(told.about).toEqual(['a machine'])
  expect(told.sections[0].figures[0]).toMatchObject({
    name: 'reads a second',
    darkroom: [8_000, 9_000, 7_000],
    median: 8_000,
    ratio: { median: 0.8, min: 0.7, max: 0.9 },
    met: false,
  })
})

test('results take the place of those before, and nothing else of the page changes', () => {
  const page = (between: string): string => `above\n<!-- results -->${between}<!-- /results -->\nbelow\n`
  const once = withResults(page('\n'), 'new')
  expect(once).toBe(page('\n\nnew\n\n'))
  expect(withResults(once, 'newer')).toBe(page('\n\nnewer\n\n'))
})

test('a page without the marks is not written to', () => {
  expect(() => withResults('above\nbelow', 'new')).toThrow('<!-- results -->')
})

test('the page of results has the marks', () => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'benchmarks.md'), 'utf8')
  expect(withResults(page, 'new')).toContain('\n\nnew\n\n')
})
