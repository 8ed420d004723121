import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parsePlain } from '../../src/files/plain.ts'

test('a body without a sign of a picture is parsed as JSON.parse does', () => {
  const body = '{"success":true,"task_id":"7","data":[{"url":"https://example.com/ä.png"}]}'
  expect(parsePlain(Buffer.from(body))).toMatchObject({ value: JSON.parse(body), bodyBytes: Buffer.byteLength(body), files: [] })
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

test('whatever is parsed holds no key and no value that would have been lifted', () => {
  fc.assert(
    fc.property(fc.jsonValue(), value => {
      const parsed = parsePlain(Buffer.from(JSON.stringify({ value })))
      if (parsed === null) return
      const keys: string[] = []
      const texts: string[] = []
      JSON.parse(JSON.stringify(parsed.value), (key: string, item: unknown) => {
        keys.push(key)
        if (typeof item === 'string') texts.push(item)
        return item
      })
      expect(keys).not.toContain('b64_json')
      expect(texts.filter(text => /^data:/i.test(text))).toEqual([])
      expect(parsed.value).toEqual({ value: JSON.parse(JSON.stringify(value)) as unknown })
    }),
  )
})
