import { describe, expect, test } from 'vitest'
import { everythingIn } from './folder.ts'
import { cut } from './json-text.ts'
import { hello, newBench, only } from './lifting.ts'

describe('where a picture is', () => {
  test('is asked once for each string value, with the keys around it', async () => {
    const bench = await newBench()
    const asked: string[] = []
    const select = (path: readonly string[]): null => {
      asked.push(path.join('.'))
      return null
    }
    await bench.lift('{"a":["x",{"b":"y","c":[["z"]]},1,"w"],"d":{"e":{"f":"v"},"g":null},"h":"u"}', { select })
    expect(asked).toEqual(['a', 'a.b', 'a.c', 'a', 'd.e.f', 'h'])
  })

  test('is told by what a key decodes to, cut anywhere', async () => {
    const bench = await newBench()
    for (const key of ['b64_json', 'b64\\u005fjson', '\\u0062\\u0036\\u0034\\u005F\\u006a\\u0073\\u006f\\u006e']) {
      for (const chunks of [[Buffer.from(`{"${key}" : "aGVsbG8="}`)], cut(Buffer.from(`{"${key}" : "aGVsbG8="}`), 0)]) {
        expect(await bench.read(await bench.lift(chunks))).toEqual(only('b64_json', hello))
        await bench.disk.removeJob('job')
      }
    }
  })

  test('is never told by a key within a string, nor by a string that is a value', async () => {
    const bench = await newBench()
    const value = {
      'a "b64_json":"AAAA"': '{"b64_json":"!"}',
      b: ['b64_json', ':', '!'],
      'b64_json ': '!',
      B64_JSON: '!',
      c: '\\',
      d: '\\"b64_json":"!"',
    }
    const lifted = await bench.lift(cut(Buffer.from(JSON.stringify(value)), 0))
    expect(lifted.value).toEqual(value)
  })

  test('is decided anew after each object, array and key', async () => {
    const bench = await newBench()
    const value = { b64_json: { x: '!' }, y: '!', z: [{ b64_json: 1, x: '!' }, '!'], w: '!' }
    expect((await bench.lift(JSON.stringify(value))).value).toEqual(value)
  })

  test('says nothing of what is no string', async () => {
    const bench = await newBench()
    const value = { b64_json: [1, null, true, { x: 2 }] }
    expect((await bench.lift(JSON.stringify(value))).value).toEqual(value)
  })
})

describe('a key that comes twice', () => {
  test('has its last value, and the picture that is nowhere in the value is removed', async () => {
    const bench = await newBench()
    const lifted = await bench.lift('{"b64_json":"MQ==","b64_json":"aGVsbG8="}')
    expect(lifted.files).toHaveLength(1)
    expect(await bench.read(lifted)).toEqual(only('b64_json', hello))
  })

  test('may make everything below it vanish', async () => {
    const bench = await newBench()
    const lifted = await bench.lift('{"a":{"b":[{"b64_json":"MQ=="},{"b64_json":"Mg=="}]},"a":"none"}')
    expect(lifted).toMatchObject({ value: { a: 'none' }, files: [] })
    expect(await everythingIn(bench.root)).toEqual([])
  })

  test('does no harm when the file cannot be removed', async () => {
    const bench = await newBench()
    const lifted = await bench.lift('{"b64_json":"MQ==","b64_json":"Mg=="}', { remove: () => Promise.reject(new Error('EIO')) })
    expect(lifted.files).toHaveLength(1)
  })
})
