import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { makeTurns } from '../../src/files/turns.ts'
import { bytesOf, newDisk } from './folder.ts'

test('what is asked for goes on at once until the turn’s bytes are used up, and then in later turns', async () => {
  const turns = makeTurns(100)
  const begun: string[] = []
  expect(turns(60)).toBeUndefined()
  expect(turns(60)).toBeUndefined()
  const second = turns(60)?.then(() => begun.push('second'))
  const third = turns(60)?.then(() => begun.push('third'))
  const fourth = turns(60)?.then(() => begun.push('fourth'))
  expect(begun).toEqual([])
  await setImmediate()
  expect(begun).toEqual(['second', 'third'])
  // Who comes now finds the turn used up as well, and goes behind those who wait.
  const fifth = turns(1)?.then(() => begun.push('fifth'))
  await setImmediate()
  expect(begun).toEqual(['second', 'third', 'fourth', 'fifth'])
  await Promise.all([second, third, fourth, fifth])
})

test('after a turn in which nothing was asked for, all of its bytes are there again', async () => {
  const turns = makeTurns(100)
  expect(turns(1_000)).toBeUndefined()
  expect(turns(0)).toBeInstanceOf(Promise)
  await setImmediate()
  await setImmediate()
  expect(turns(1_000)).toBeUndefined()
})

test('files that are written at the same time leave turns to everything else', async () => {
  const { disk } = await newDisk()
  const pieces = Array.from({ length: 7 }, () => bytesOf(65_536))
  let otherTurns = 0
  let written = false
  const others = (async () => {
    for (; !written; otherTurns += 1) await setImmediate()
  })()
  // Less than what a file's buffers hold, so that none of them waits for the disk.
  const sinks = Array.from({ length: 16 }, () => disk.create('job', 'out'))
  await Promise.all(
    sinks.map(async sink => {
      for (const piece of pieces) await sink.write(piece)
    }),
  )
  written = true
  await others
  expect(otherTurns).toBeGreaterThan(30)
  await Promise.all(sinks.map(sink => sink.discard()))
})
