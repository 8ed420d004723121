import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Base64Of, encodeJson, escapeSlashes, JsonText, lengthOf, textOf } from '../../src/sandbox/json.ts'

async function write(value: unknown): Promise<string> {
  let text = ''
  for await (const part of textOf(encodeJson(value))) text += part
  return text
}

test('any JSON value is written as JSON.stringify writes it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), async value => {
      expect(await write(value)).toBe(JSON.stringify(value))
    }),
  )
})

test('escaped slashes are the same JSON', () => {
  fc.assert(
    fc.property(fc.jsonValue(), value => {
      const text = JSON.stringify(value)
      expect(JSON.parse(escapeSlashes(text))).toEqual(JSON.parse(text))
    }),
  )
})

test('what is undefined is left out, what is JSON already goes in as it is', async () => {
  expect(await write({ a: undefined, b: new JsonText('{"c":[1]}'), d: [null, 'x/y'] })).toBe('{"b":{"c":[1]},"d":[null,"x/y"]}')
})

test('a file of any length is written as the base64 of its bytes', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'json-test-'))
  try {
    for (const sizeBytes of [0, 1, 2, 3, 65_535, 65_536, 65_537, 300_001]) {
      const bytes = Buffer.from(Array.from({ length: sizeBytes }, (_, index) => (index * 7) % 256))
      const path = join(folder, 'picture')
      await writeFile(path, bytes)
      const value = [{ b64_json: new Base64Of(path, sizeBytes) }, 1]
      const text = await write(value)
      expect(text).toBe(JSON.stringify([{ b64_json: bytes.toString('base64') }, 1]))
      expect(lengthOf(encodeJson(value))).toBe(text.length)
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})
