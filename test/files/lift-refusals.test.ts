import { describe, expect, test } from 'vitest'
import type { FileSink } from '../../src/domain/ports.ts'
import { LiftError } from '../../src/files/lift.ts'
import { everythingIn, rejection } from './folder.ts'
import { cut } from './json-text.ts'
import { newBench } from './lifting.ts'

const twoPictures = '{"first":{"b64_json":"aGVsbG8="},"second":{"b64_json":"aGVsbG8="}}'

function withPictureOf(sizeBytes: number): string {
  return `[${twoPictures},{"b64_json":"${Buffer.alloc(sizeBytes).toString('base64')}"}]`
}

function withPictures(count: number): string {
  return `[{"b64_json":""},${Array.from({ length: count }, () => '{"b64_json":"AAAA"}').join()}]`
}

describe('a body that is refused', () => {
  test('for being cut short anywhere leaves nothing', async () => {
    const bench = await newBench()
    for (let length = 0; length < twoPictures.length; length += 1) {
      expect((await bench.liftError(twoPictures.slice(0, length))).kind).toBe('malformed')
    }
  })

  test.for([
    '',
    ' ',
    '{"a":1}x',
    '{"a":1,}',
    '{"a" "b"}',
    '{]',
    '[1}',
    ']',
    "{'a':1}",
    '{"a":01}',
    '{"a":"\t"}',
    '{"\\x":1}',
    '"a',
    'nul',
    '{"\\ud800":"x"',
  ])('for being %j is malformed', async body => {
    const bench = await newBench()
    expect((await bench.liftError(body)).kind).toBe('malformed')
    expect((await bench.liftError(`[${twoPictures},${body === '' ? ',' : body}`)).kind).toBe('malformed')
  })

  test('for its depth is refused before it is parsed', async () => {
    const bench = await newBench()
    expect((await bench.liftError('['.repeat(20_000))).kind).toBe('too_deep')
    expect((await bench.liftError('{"a":'.repeat(20_000))).kind).toBe('too_deep')
    expect((await bench.liftError(`[${twoPictures},${'['.repeat(70)}`)).kind).toBe('too_deep')
    expect((await bench.lift(`${'['.repeat(64)}${']'.repeat(64)}`)).files).toEqual([])
    expect((await bench.liftError(`${'['.repeat(65)}${']'.repeat(65)}`)).kind).toBe('too_deep')
    expect((await bench.lift(`[${'[],'.repeat(1000)}"${'['.repeat(1000)}"]`)).files).toEqual([])
  })

  test('for its length is refused with the first byte too many', async () => {
    const bench = await newBench()
    const maxBodyBytes = twoPictures.length
    expect((await bench.lift(cut(Buffer.from(twoPictures), 1), { maxBodyBytes })).files).toHaveLength(2)
    await bench.disk.removeJob('job')
    expect((await bench.liftError(cut(Buffer.from(`${twoPictures} `), 1), { maxBodyBytes })).kind).toBe('body_too_large')
  })

  test('for what remains without the pictures is refused however it comes', async () => {
    const bench = await newBench()
    const picture = `"b64_json":"${'A'.repeat(4000)}"`
    const image = `"image":"data:image/png;base64,${'A'.repeat(4000)}"`
    expect((await bench.lift(`{${picture},${image},"a":"${'x'.repeat(700)}"}`, { maxJsonBytes: 1000 })).files).toHaveLength(2)
    await bench.disk.removeJob('job')
    for (const filler of [
      `"a":"${'x'.repeat(1000)}"`,
      `"${'x'.repeat(1000)}":1`,
      `"a":${' '.repeat(1000)}1`,
      `"image":"${'x'.repeat(1000)}"`,
    ]) {
      for (const body of [`{${picture},${filler}}`, `{${filler},${picture}}`, `{${picture},${filler}`]) {
        expect((await bench.liftError(body, { maxJsonBytes: 1000 })).kind).toBe('json_too_large')
        expect((await bench.liftError(cut(Buffer.from(body), 0), { maxJsonBytes: 1000 })).kind).toBe('json_too_large')
      }
    }
  })

  test('is not refused for a data URL’s header, which does not remain', async () => {
    const bench = await newBench()
    const body = `{"image":"data:${'x'.repeat(200)};base64,aGVsbG8="}`
    for (const chunks of [[Buffer.from(body)], cut(Buffer.from(body), 0)]) {
      expect((await bench.lift(chunks, { maxJsonBytes: 60 })).files).toHaveLength(1)
    }
  })

  test('for the size of a picture is refused with its first byte too many', async () => {
    const bench = await newBench()
    for (const maxFileBytes of [6, 300, 300_000]) {
      expect((await bench.lift(withPictureOf(maxFileBytes), { maxFileBytes })).files).toHaveLength(3)
      await bench.disk.removeJob('job')
      expect((await bench.liftError(withPictureOf(maxFileBytes + 1), { maxFileBytes })).kind).toBe('file_too_large')
    }
  })

  test('for the number of its pictures is refused, empty ones not counted', async () => {
    const bench = await newBench()
    expect((await bench.lift(withPictures(64))).files).toHaveLength(64)
    await bench.disk.removeJob('job')
    expect((await bench.liftError(withPictures(65))).kind).toBe('too_many_files')
    expect((await bench.liftError(withPictures(1), { maxFiles: 0 })).kind).toBe('too_many_files')
  })
})

describe('the error of a body', () => {
  test('carries the beginning of the body, also of what was not yet read when it was found', async () => {
    const bench = await newBench()
    const body = Buffer.from(`{"b64_json":"!${'x'.repeat(5000)}`)
    for (const chunks of [[body], cut(body, 3)]) {
      expect((await bench.liftError(chunks, { keepRawBytes: 1000 })).raw).toEqual(body.subarray(0, 1000))
      expect((await bench.liftError(chunks, { keepRawBytes: 10_000 })).raw).toEqual(body)
      expect((await bench.liftError(chunks, { keepRawBytes: 0 })).raw).toBeNull()
    }
  })

  test('carries it for every kind of refusal', async () => {
    const bench = await newBench()
    const limits = [
      ['body_too_large', { maxBodyBytes: 5 }],
      ['json_too_large', { maxJsonBytes: 5 }],
      ['file_too_large', { maxFileBytes: 4 }],
      ['too_many_files', { maxFiles: 1 }],
      ['too_deep', { maxDepth: 1 }],
    ] as const
    for (const [kind, limit] of limits) {
      for (const keepRawBytes of [40, 400]) {
        const error = await bench.liftError(cut(Buffer.from(twoPictures), 2), { ...limit, keepRawBytes })
        expect([error.kind, String(error.raw)]).toEqual([kind, twoPictures.slice(0, keepRawBytes)])
      }
    }
    expect(String((await bench.liftError('{"a":1', { keepRawBytes: 40 })).raw)).toBe('{"a":1')
  })

  test('quotes nothing of it', async () => {
    const bench = await newBench()
    for (const body of ['{"prompt":"secret"', '{"prompt":secret}', '{"b64_json":"secret!!"}', '{"secret\\x":1}']) {
      const error = await bench.liftError(body)
      expect(`${error.message} ${String(error.cause)}`).not.toContain('secret')
    }
  })

  test('is thrown without reading on for longer than there is something to keep', async () => {
    const bench = await newBench()
    let chunksRead = 0
    function* endless(): Generator<Buffer> {
      for (;;) {
        chunksRead += 1
        yield Buffer.from(']'.repeat(100))
      }
    }
    await bench.liftError(endless(), { keepRawBytes: 950 })
    expect(chunksRead).toBe(10)
    await bench.liftError(endless(), { keepRawBytes: 0 })
    expect(chunksRead).toBe(11)
  })
})

describe('an error that is not of the body', () => {
  const failure = new Error('not of the body')

  test('comes through as it is when the stream breaks off, and nothing is left', async () => {
    const bench = await newBench()
    for (let length = 0; length <= twoPictures.length; length += 9) {
      async function* breakingOff(): AsyncGenerator<Uint8Array> {
        yield Buffer.from(twoPictures.slice(0, length))
        throw failure
      }
      expect(await rejection(bench.lift(breakingOff()))).toBe(failure)
      expect(await everythingIn(bench.root)).toEqual([])
    }
  })

  test('comes through as it is when a sink fails, and nothing is left', async () => {
    const bench = await newBench()
    for (const failing of ['create', 'write', 'finish'] as const) {
      let sinkCount = 0
      const create = (): FileSink => {
        sinkCount += 1
        const sink = bench.disk.create('job', 'out')
        if (sinkCount === 1) return sink
        if (failing === 'create') throw failure
        return {
          write: chunk => (failing === 'write' ? Promise.reject(failure) : sink.write(chunk)),
          finish: () => Promise.reject(failure),
          discard: () => sink.discard(),
        }
      }
      expect(await rejection(bench.lift(twoPictures, { create }))).toBe(failure)
      expect(sinkCount).toBe(2)
      expect(await everythingIn(bench.root)).toEqual([])
    }
  })

  test('comes through as it is when the question for a picture fails, and nothing is left', async () => {
    const bench = await newBench()
    const select = (path: readonly string[]): 'base64' => {
      if (path[0] === 'second') throw failure
      return 'base64'
    }
    expect(await rejection(bench.lift(twoPictures, { select }))).toBe(failure)
    expect(await everythingIn(bench.root)).toEqual([])
  })

  test('does not hide behind a file that cannot be removed', async () => {
    const bench = await newBench()
    const error = await rejection(bench.lift(`[${twoPictures}`, { remove: () => Promise.reject(failure) }))
    expect(error).toBeInstanceOf(LiftError)
  })

  test('closes the body', async () => {
    const bench = await newBench()
    let isClosed = false
    async function* body(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield Buffer.from(']')
      } finally {
        isClosed = true
      }
    }
    expect(await rejection(bench.lift(body()))).toBeInstanceOf(LiftError)
    expect(isClosed).toBe(true)
  })
})
