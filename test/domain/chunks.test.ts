import { expect, test } from 'vitest'
import { giveBack } from '../../src/domain/chunks.ts'

test('the memory of a chunk that has it to itself is given back at once', () => {
  const chunk = Buffer.alloc(65_536)
  const { buffer } = chunk
  giveBack(chunk)
  expect(chunk.length).toBe(0)
  expect(buffer).toMatchObject({ detached: true, byteLength: 0 })
})

test.for([
  ['its beginning', 0, 8],
  ['its end', 8, 16],
  ['its middle', 4, 12],
])('a chunk that shares its memory with others, as %s, is left as it is', ([, from, to]) => {
  const whole = Buffer.from(Uint8Array.from({ length: 16 }, (_, index) => index).buffer)
  const chunk = whole.subarray(Number(from), Number(to))
  giveBack(chunk)
  expect(whole).toEqual(Buffer.from(Array.from({ length: 16 }, (_, index) => index)))
  expect(chunk.length).toBe(8)
})

test('memory that several threads share is left alone', () => {
  const chunk = new Uint8Array(new SharedArrayBuffer(8))
  giveBack(chunk)
  expect(chunk.length).toBe(8)
})
