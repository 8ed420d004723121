import { Readable } from 'node:stream'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { openDisk } from '../../src/files/disk.ts'
import { liftJson } from '../../src/files/lift.ts'
import { pictureOptions } from '../../src/files/pictures-in-results.ts'
import { parsePlain } from '../../src/files/plain.ts'
import { everythingIn, newFolder } from './folder.ts'

test('a body without a sign of a picture is parsed as JSON.parse does', () => {
  const text = '{"success":true,"task_id":"7","data":[{"url":"https://example.com/ä.png"}]}'
  expect(parsePlain(Buffer.from(text))).toEqual({ text, value: JSON.parse(text) })
})

test('what may hold a picture, an escape, a mistake or many levels is left to the scanner', () => {
  const bodies = [
    '{"b64_json":"AAAA"}',
    '{"url":"DATA:image/png;base64,AAAA"}',
    '{"b64\\u005fjson":"AAAA"}',
    '{"url":"https:\\/\\/example.com"}',
    '{"a":',
    '',
    '\ufeff{}',
    '['.repeat(40) + ']'.repeat(40),
  ]
  for (const body of bodies) expect(parsePlain(Buffer.from(body)), body.slice(0, 40)).toBeNull()
})

/** Bodies as a provider might send them, with the words in them that matter here, some with a mistake or in odd bytes. */
function likelyBodies(): fc.Arbitrary<Buffer> {
  const words = fc.constantFrom('data', 'url', 'image_url', 'b64_json', 'B64_JSON', 'data:', 'data:image/png;base64,AAAA', 'AAAA')
  const { tree } = fc.letrec(tie => ({
    tree: fc.oneof({ maxDepth: 4 }, words, fc.jsonValue(), fc.array(tie('tree')), fc.dictionary(words, tie('tree'))),
  }))
  const text = fc.tuple(tree, fc.constantFrom(undefined, 1, '\t')).map(([value, space]) => JSON.stringify(value, null, space))
  const odd = fc.tuple(text, fc.nat(), fc.uint8Array({ maxLength: 3 })).map(([json, at, bytes]) => {
    const whole = Buffer.from(json)
    const cut = at % (whole.length + 1)
    return Buffer.concat([whole.subarray(0, cut), bytes, whole.subarray(cut)])
  })
  return fc.oneof(
    text.map(json => Buffer.from(json)),
    odd,
  )
}

test('whatever is parsed at once, the scanner makes the same of it, and no file', async () => {
  const root = await newFolder()
  const options = pictureOptions(await openDisk(root), 'job', 2 ** 20)
  let parsed = 0
  await fc.assert(
    fc.asyncProperty(likelyBodies(), async body => {
      const plain = parsePlain(body)
      if (plain === null) return
      parsed += 1
      expect(plain.text).toBe(body.toString())
      const lifted = await liftJson(Readable.from([body]), options)
      expect(plain.value).toEqual(lifted.value)
      expect(lifted.files).toEqual([])
    }),
    { numRuns: 500 },
  )
  expect(parsed).toBeGreaterThan(50)
  expect(await everythingIn(root)).toEqual([])
})
