import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseCost, parseRecordType, parseUsage, sumUsage } from '../../src/domain/report.ts'

describe('a cost', () => {
  test.each([
    [{ amount: 0.37, currency: 'credit' }, 370_000],
    [{ amount: 0, currency: 'credit' }, 0],
    [{ amount: 0.000_000_4, currency: 'credit' }, 0],
    [{ amount: 1_000_000, currency: 'credit' }, 1e12],
    [{ amount: 1_000_001, currency: 'credit' }, null],
    [{ amount: -0.1, currency: 'credit' }, null],
    [{ amount: Number.NaN, currency: 'credit' }, null],
    [{ amount: Number.POSITIVE_INFINITY, currency: 'credit' }, null],
    [{ amount: '0.37', currency: 'credit' }, null],
    [{ amount: 0.37, currency: 'usd' }, null],
    [{ amount: 0.37 }, null],
    [0.37, null],
    [[], null],
    [null, null],
  ])('%j is %j millionths of a credit', (cost, expected) => {
    expect(parseCost(cost)).toBe(expected)
  })
})

describe('a usage', () => {
  test('is kept as it is nested, with its numbers and nothing else', () => {
    const details = { text_tokens: 16, image_tokens: 194 }
    const usage = { input_tokens: 210, output_tokens: 4_160, input_tokens_details: details, seconds: 1.5 }
    expect(parseUsage({ ...usage, tier: 'default', cached: null, odd: -1, list: [1], more: Number.NaN, huge: 1e13 })).toEqual(
      usage,
    )
  })

  test.each([[null], ['10'], [7], [[1]], [{}], [{ tier: 'x' }], [{ details: {} }]])('%j is none', usage => {
    expect(parseUsage(usage)).toBeNull()
  })

  test('with more than a row should hold is none', () => {
    const named = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`n${index}`, 1]))
    expect(parseUsage(named(50))).toEqual(named(50))
    expect(parseUsage(named(51))).toBeNull()
    expect(parseUsage({ ['n'.repeat(101)]: 1 })).toBeNull()
    expect(parseUsage({ a: { b: { c: { d: 1 } } } })).toBeNull()
  })

  test('of several tasks is the sum of each number', () => {
    const first = { total_tokens: 10, details: { text: 1 } }
    const second = { total_tokens: 5, details: { text: 2, image: 3 }, other: 1 }
    expect(sumUsage([first, second])).toEqual({ total_tokens: 15, details: { text: 3, image: 3 }, other: 1 })
    expect(sumUsage([{ a: 1 }, { a: { b: 2 } }])).toEqual({ a: 1 })
    expect(sumUsage([])).toBeNull()
  })

  test('is JSON that reads back as it was, whatever came', () => {
    fc.assert(
      fc.property(fc.anything(), value => {
        const usage = parseUsage(value)
        expect(JSON.parse(JSON.stringify(usage))).toEqual(usage === null ? null : JSON.parse(JSON.stringify(usage)))
        if (usage !== null) expect(parseUsage(JSON.parse(JSON.stringify(usage)))).toEqual(JSON.parse(JSON.stringify(usage)))
      }),
    )
  })
})

test('a record’s type is a short text, or none', () => {
  expect(parseRecordType('images_edits')).toBe('images_edits')
  for (const type of ['', null, 7, {}, 'x'.repeat(101), '\ud800']) expect(parseRecordType(type)).toBeNull()
})
