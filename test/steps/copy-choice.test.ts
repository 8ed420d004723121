import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { chooseCopies, copiesAtOnce, copiesPerHost } from '../../src/steps/copy-choice.ts'

const copy = (host: string, attempts = 0, copyAt = 0) => ({ host, attempts, copyAt })
const many = (count: number, host: string, attempts = 0) =>
  Array.from({ length: count }, (_, index) => copy(host, attempts, index))
const anyCopy = fc.record({ host: fc.constantFrom('a', 'b', 'c'), attempts: fc.nat(2), copyAt: fc.nat(100) })

test('no host has more than half of the places', () => {
  expect(chooseCopies(many(20, 'a'), [])).toHaveLength(4)
  expect(chooseCopies([...many(20, 'a'), ...many(20, 'b')], [])).toHaveLength(8)
  expect(chooseCopies([...many(20, 'a'), copy('b', 0, 99)], many(4, 'a'))).toEqual([copy('b', 0, 99)])
})

test('new pictures go before those that failed before, of dead hosts too, which never take all places', () => {
  const dead = Array.from({ length: 20 }, (_, index) => copy(`dead-${index}`, 3, -index))
  expect(chooseCopies(dead, [])).toHaveLength(4)
  const fresh = many(2, 'a')
  expect(chooseCopies([...dead, ...fresh], [])).toEqual([...fresh, ...dead.toReversed().slice(0, 4)])
  expect(chooseCopies([...dead, ...fresh], dead.slice(0, 4))).toEqual(fresh)
})

test('each kind goes by how long it is due', () => {
  expect(chooseCopies([copy('a', 0, 7), copy('b', 1, 2), copy('c', 0, 3), copy('d', 9, 1)], [])).toEqual([
    copy('c', 0, 3),
    copy('a', 0, 7),
    copy('d', 9, 1),
    copy('b', 1, 2),
  ])
})

test('whatever is due and under way, the places hold, and none that may begin is left out', () => {
  fc.assert(
    fc.property(fc.array(anyCopy, { maxLength: 30 }), fc.array(anyCopy, { maxLength: 20 }), (due, begun) => {
      const underWay = chooseCopies(begun, [])
      const chosen = chooseCopies(due, underWay)
      const all = [...underWay, ...chosen]
      const of = (host: string): number => all.filter(one => one.host === host).length
      const retries = all.filter(one => one.attempts > 0).length
      expect(all.length).toBeLessThanOrEqual(copiesAtOnce)
      for (const one of all) expect(of(one.host)).toBeLessThanOrEqual(copiesPerHost)
      expect(retries).toBeLessThanOrEqual(copiesAtOnce / 2)
      for (const left of due.filter(one => !chosen.includes(one))) {
        const isFull = all.length === copiesAtOnce || of(left.host) === copiesPerHost
        expect(isFull || (left.attempts > 0 && retries === copiesAtOnce / 2)).toBe(true)
      }
    }),
  )
})
