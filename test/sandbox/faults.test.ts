import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createFaultChooser, faultsInPrompt } from '../../src/sandbox/faults.ts'
import { faultNames, parseFaults } from '../../src/sandbox/sandbox.ts'

describe('SANDBOX_FAULTS', () => {
  test('is a list of names, each with its probability or always', () => {
    expect(parseFaults('lost:0.5, doubled,,429:.25')).toEqual([
      { name: 'lost', probability: 0.5 },
      { name: 'doubled', probability: 1 },
      { name: '429', probability: 0.25 },
    ])
    expect(parseFaults('')).toEqual([])
  })

  test('an unknown name is an error that lists the valid ones', () => {
    expect(() => parseFaults('lots')).toThrow(/"lots".*lost, doubled, late/)
    expect(() => parseFaults('toString')).toThrow(/"toString"/)
  })

  test.each(['lost:2', 'lost:-1', 'lost:', 'lost:x', 'lost:0.5:1', 'lost:1.5'])('%s is an error', text => {
    expect(() => parseFaults(text)).toThrow(/lost.*from 0 to 1/)
  })

  test('any list of names and probabilities is read back as it was written', () => {
    const fault = fc.record({ name: fc.constantFrom(...faultNames), probability: fc.constantFrom(0, 1, 0.5, 0.125) })
    fc.assert(
      fc.property(fc.array(fault), faults => {
        expect(parseFaults(faults.map(({ name, probability }) => `${name}:${probability}`).join(' , '))).toEqual(faults)
      }),
    )
  })

  test('any other text is read or refused with the list of names', () => {
    fc.assert(
      fc.property(fc.string(), text => {
        try {
          for (const { name } of parseFaults(text)) expect(faultNames).toContain(name)
        } catch (error) {
          expect(String(error)).toContain(faultNames.join(', '))
        }
      }),
    )
  })
})

describe('which faults befall a submit', () => {
  test('a fault with a probability befalls as many as chance has it', () => {
    const draws = [0.1, 0.6, 0.49, 0.5]
    const choose = createFaultChooser([{ name: 'lost', probability: 0.5 }], () => draws.shift() ?? 1)
    expect([1, 2, 3, 4].map(() => choose('a').has('lost'))).toEqual([true, false, true, false])
  })

  test('a prompt may name several, with punctuation around', () => {
    expect(faultsInPrompt('Make it dark (fault:lost, Fault:always-429). fault:string-error! fault:line default:lost')).toEqual([
      'lost',
      'always-429',
      'string-error',
    ])
  })

  test('429 in a prompt refuses the first two submits of that prompt, each prompt for itself', () => {
    const choose = createFaultChooser([], () => 0)
    expect([1, 2, 3, 4].map(() => choose('a fault:429').has('429'))).toEqual([true, true, false, false])
    expect(choose('b fault:429').has('429')).toBe(true)
    expect(choose('a fault:429 fault:500')).toEqual(new Set(['429', '500']))
  })

  test('429 as a setting refuses whenever it is drawn', () => {
    const choose = createFaultChooser(['429'], () => 0.99)
    expect([1, 2, 3, 4].every(() => choose('a').has('429'))).toBe(true)
  })
})
