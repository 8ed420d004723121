import { describe, expect, test } from 'vitest'
import { type Figure, isMet, quantile, ratiosOf, spreadOf } from '../../bench/figures.ts'

describe('quantiles', () => {
  test('are values that occurred', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1)
    expect(quantile(hundred, 0)).toBe(1)
    expect(quantile(hundred, 0.5)).toBe(51)
    expect(quantile(hundred, 0.99)).toBe(100)
    expect(quantile(hundred, 1)).toBe(100)
  })

  test('of one value are that value, and of none unknown', () => {
    expect(quantile([7], 0.99)).toBe(7)
    expect(quantile([], 0.5)).toBeNaN()
  })
})

describe('the spread of rounds', () => {
  test('has the middle one, the least and the most, in whatever order they came', () => {
    expect(spreadOf([9, 1, 5])).toEqual({ median: 5, min: 1, max: 9 })
  })

  test('of an even number has the mean of the middle two', () => {
    expect(spreadOf([4, 1, 3, 2]).median).toBe(2.5)
  })

  test('of none is unknown', () => {
    expect(spreadOf([]).median).toBeNaN()
  })
})

const figure = (more: Partial<Figure>): Figure => ({ name: 'reads', darkroom: [80, 90, 70], ...more })
const against = { name: 'bare', values: [100, 100, 50] }

describe('ratios', () => {
  test('are those of each round’s pair', () => {
    expect(ratiosOf(figure({ against }))).toEqual([0.8, 0.9, 1.4])
  })

  test('need a baseline', () => {
    expect(ratiosOf(figure({}))).toBeNull()
  })
})

describe('an aim', () => {
  test('of a ratio is met by the median of the ratios', () => {
    expect(isMet(figure({ against, aim: { of: 'ratio', least: 0.9 } }))).toBe(true)
    expect(isMet(figure({ against, aim: { of: 'ratio', least: 0.91 } }))).toBe(false)
    expect(isMet(figure({ against, aim: { of: 'ratio', least: 0.5, most: 0.8 } }))).toBe(false)
  })

  test('of a value is met by the median of the values', () => {
    expect(isMet(figure({ aim: { of: 'value', most: 80 } }))).toBe(true)
    expect(isMet(figure({ aim: { of: 'value', most: 79 } }))).toBe(false)
  })

  test('is not met by what is unknown', () => {
    expect(isMet(figure({ darkroom: [Number.NaN], aim: { of: 'value', most: 80 } }))).toBe(false)
    expect(isMet(figure({ aim: { of: 'ratio', least: 0.1 } }))).toBe(false)
  })

  test('that is none is neither met nor missed', () => {
    expect(isMet(figure({ against }))).toBeNull()
  })
})
