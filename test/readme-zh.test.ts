import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { anchorOf } from './support/anchors.ts'

// README.zh-CN.md says what README.md says: what no translation changes is compared, section by section.
const read = (name: string): string => readFileSync(join(import.meta.dirname, '..', name), 'utf8')

const english = 'README.md'
const chinese = 'README.zh-CN.md'
const codeBlock = /^```[^]*?^```$/gm
const codeSpan = /`[^`\n]+`/g
const link = /\]\(([^)]*)\)/g

type Section = { level: number; anchor: string; prose: string }

const matchesOf = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([whole, part = whole]) => part)

/** The page from each heading to the next, without its code blocks. */
function sectionsOf(page: string): Section[] {
  const prose = read(page).replaceAll(codeBlock, '')
  return prose.split(/^(?=#+ )/m).map(text => {
    const [, marks = '', heading = ''] = /^(#+) (.*)/.exec(text) ?? []
    return { level: marks.length, anchor: anchorOf(heading), prose: text }
  })
}

/** What each section has of something, in an order that both languages share. */
function perSection(page: string, pick: (prose: string) => string[]): string[][] {
  return sectionsOf(page).map(({ prose }) => pick(prose).toSorted())
}

/** Where the page's links lead: a heading of its own is named by its place, and the other README is left out. */
function targetsOf(page: string): string[][] {
  const anchors = sectionsOf(page).map(({ anchor }) => anchor)
  return perSection(page, prose =>
    matchesOf(prose, link)
      .filter(target => target !== english && target !== chinese)
      .map(target => (target.startsWith('#') ? `section ${anchors.indexOf(target.slice(1))}` : target)),
  )
}

/** The rows of all tables: the code in each cell, whose order may change with the language. */
function rowsOf(page: string): string[][][] {
  const rows = matchesOf(read(page).replaceAll(codeBlock, ''), /^\|(.*)\|$/gm)
  return rows.map(row => row.split('|').map(cell => matchesOf(cell, codeSpan).toSorted()))
}

/** Figures outside code and outside addresses: seconds, hours, statuses, versions. */
function figuresIn(prose: string): string[] {
  return matchesOf(
    prose
      .replaceAll(codeSpan, '')
      .replaceAll(link, ']')
      .replaceAll(/https?:[\w./:-]+/g, ''),
    /\d+(?:[.,]\d+)*/g,
  )
}

test('each README leads to the other, at its top', () => {
  expect(read(english).split('\n')[2]).toBe(`English | [简体中文](${chinese})`)
  expect(read(chinese).split('\n')[2]).toBe(`[English](${english}) | 简体中文`)
})

test('both READMEs have the same sections', () => {
  const levels = (page: string): number[] => sectionsOf(page).map(({ level }) => level)
  expect(levels(english).length).toBeGreaterThan(10)
  expect(levels(chinese)).toEqual(levels(english))
})

test('both READMEs have the same code blocks, each in the same section', () => {
  const marked = (page: string): string[] => matchesOf(read(page), /^```[^]*?^```$|^#+ /gm)
  expect(marked(english).length).toBeGreaterThan(30)
  expect(marked(chinese)).toEqual(marked(english))
})

test('both READMEs name the same routes, settings and statuses, in each section and in each cell of a table', () => {
  const spans = (page: string): string[][] => perSection(page, prose => matchesOf(prose, codeSpan))
  expect(spans(english).flat().length).toBeGreaterThan(100)
  expect(spans(chinese)).toEqual(spans(english))
  expect(rowsOf(english).length).toBeGreaterThan(20)
  expect(rowsOf(chinese)).toEqual(rowsOf(english))
})

test('both READMEs give the same figures', () => {
  expect(perSection(english, figuresIn).flat().length).toBeGreaterThan(20)
  expect(perSection(chinese, figuresIn)).toEqual(perSection(english, figuresIn))
})

test('links and pictures of both READMEs lead to the same places', () => {
  expect(targetsOf(english).flat().length).toBeGreaterThan(20)
  expect(targetsOf(english).flat()).not.toContain('section -1')
  expect(targetsOf(chinese)).toEqual(targetsOf(english))
})
