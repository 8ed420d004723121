import { expect, test } from 'vitest'
import { partNames, readArguments } from '../../bench/arguments.ts'

const nothing = { parts: partNames, short: false, json: false, write: false }

test('without arguments all parts run in full', () => {
  expect(readArguments([])).toEqual(nothing)
})

test('named parts run alone, in the bench’s own order', () => {
  expect(readArguments(['reads', 'callbacks', 'reads'])).toEqual({ ...nothing, parts: ['callbacks', 'reads'] })
})

test('flags may stand anywhere', () => {
  expect(readArguments(['--short', 'growth', '--json'])).toEqual({ ...nothing, parts: ['growth'], short: true, json: true })
})

test('what is neither a part nor a flag is named', () => {
  expect(readArguments(['reads', 'writes'])).toEqual({ problem: 'writes is neither a part nor a flag' })
  expect(readArguments(['--sort'])).toEqual({ problem: '--sort is neither a part nor a flag' })
})

test('only a full run of all parts may be written to the page', () => {
  expect(readArguments(['--write'])).toEqual({ ...nothing, write: true })
  expect(readArguments(['--write', '--short'])).toHaveProperty('problem')
  expect(readArguments(['--write', 'reads'])).toHaveProperty('problem')
})
