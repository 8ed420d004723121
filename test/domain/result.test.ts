import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { StoredFile } from '../../src/domain/ports.ts'
import { parseAccepted, parseError, parseResult } from '../../src/domain/result.ts'

const noFiles = (): undefined => undefined
const stored = (name: string): StoredFile => ({
  name,
  sizeBytes: 3,
  sha256: 'f'.repeat(64),
  contentType: 'image/png',
  width: 1,
  height: 1,
})
const noPictures: Readonly<Record<string, Partial<StoredFile>>> = {
  text: { contentType: 'text/plain' },
  nothing: { contentType: 'text/plain', sizeBytes: 0 },
  null: { contentType: 'application/octet-stream', sizeBytes: 3 },
}
/** Files stand where texts like `(file:a)` stand; some are none of a picture. */
const fileOf = (value: unknown): StoredFile | undefined => {
  if (typeof value !== 'string' || !value.startsWith('(file:')) return undefined
  const name = value.slice(6, -1)
  return { ...stored(name), ...noPictures[name] }
}
const read = (body: unknown) => parseResult(body, fileOf)
const url = 'https://platform.cdn.xhuoapi.ai/a.png'
const picture = (its: object = {}) => ({ url: null, file: null, revisedPrompt: null, ...its })

const gptImage2 = {
  success: true,
  task_id: 'cb104e35-af1f-45be-9fac-b62e2b256753',
  trace_id: '3e5c77c6-6c2e-4bba-a42d-98ea049b58a8',
  created: 1777048863,
  data: [
    {
      revised_prompt:
        'Convert this infographic to dark mode: dark navy background, light cream text, deep gray rounded module cards with soft shadows. Keep all layout, structure, and module arrangement identical — only invert the color scheme.',
      url: 'https://platform.cdn.xhuoapi.ai/gpt-image/cb104e35-af1f-45be-9fac-b62e2b256753_0.png',
    },
  ],
  elapsed: 83.859,
}
const nanoBanana = {
  created: 0,
  data: [
    {
      url: 'https://platform.cdn.xhuoapi.ai/nanobanana/311e95b6-5eb1-4c4a-8ee6-0cb03ee44f61.jpeg',
      revised_prompt: 'add a green leaf on top of the apple',
    },
  ],
}
const nestedCallback = {
  success: true,
  task_id: '6a97bf49-df50-4129-9e46-119aa9fca73c',
  trace_id: '9b4b1ff3-90f2-470f-b082-1061ec2948cc',
  data: { created: 1721626477, data: [{ b64_json: '(file:out-1)' }] },
}
const failure = {
  success: false,
  error: { code: 'api_error', message: 'fetch failed' },
  trace_id: '2cf86e86-22a4-46e1-ac2f-032c0f2a4e89',
}

describe('the documented payloads', () => {
  test('a synchronous answer of gpt-image-2', () => {
    expect(read(gptImage2)).toEqual({
      kind: 'succeeded',
      taskId: gptImage2.task_id,
      traceId: gptImage2.trace_id,
      created: 1777048863,
      images: [picture({ url: gptImage2.data[0]?.url, revisedPrompt: gptImage2.data[0]?.revised_prompt })],
    })
  })

  test('a synchronous answer of nano-banana, which says neither success nor its id, and 0 for its time', () => {
    expect(read(nanoBanana)).toEqual({
      kind: 'succeeded',
      taskId: null,
      traceId: null,
      created: null,
      images: [picture({ url: nanoBanana.data[0]?.url, revisedPrompt: nanoBanana.data[0]?.revised_prompt })],
    })
  })

  test('a nested callback with base64', () => {
    expect(read(nestedCallback)).toEqual({
      kind: 'succeeded',
      taskId: nestedCallback.task_id,
      traceId: nestedCallback.trace_id,
      created: 1721626477,
      images: [picture({ file: stored('out-1') })],
    })
  })

  test('a failure', () => {
    const error = { code: 'api_error', message: 'fetch failed', traceId: failure.trace_id }
    expect(read(failure)).toEqual({ kind: 'failed', taskId: null, traceId: failure.trace_id, error })
    expect(parseError(failure)).toEqual(error)
  })

  test('an acceptance is no result', () => {
    const accepted = { task_id: '6a97bf49-df50-4129-9e46-119aa9fca73c' }
    expect(read(accepted)).toBeNull()
    expect(parseAccepted(accepted)).toEqual({ kind: 'accepted', taskId: accepted.task_id, traceId: null })
  })
})

describe('the pictures of a result', () => {
  test.each<[string, unknown, object[]]>([
    ['a URL', { url }, [{ url }]],
    ['base64', { b64_json: '(file:a)' }, [{ file: stored('a') }]],
    ['an image_url', { image_url: url }, [{ url }]],
    ['an image_url as OpenAI nests it', { image_url: { url } }, [{ url }]],
    ['a data: URL in url', { url: '(file:a)' }, [{ file: stored('a') }]],
    ['a data: URL in image_url', { image_url: { url: '(file:a)' } }, [{ file: stored('a') }]],
    ['both a URL and base64', { url, b64_json: '(file:a)' }, [{ url, file: stored('a') }]],
    ['an empty url beside the one that counts', { url: '', image_url: url }, [{ url }]],
    ['a null url beside base64', { url: null, b64_json: '(file:a)' }, [{ file: stored('a') }]],
    ['an odd url beside the one that counts', { url: 'ftp://example.com', image_url: url }, [{ url }]],
    ['a picture as a plain text', url, [{ url }]],
    ['base64 as a plain text', '(file:a)', [{ file: stored('a') }]],
  ])('%s', (_what, item, images) => {
    const expected = images.map(picture)
    const shapes = [
      { data: [item] },
      { created: 5, data: [item] },
      { data: { created: 5, data: [item] } },
      { data: { data: [item] } },
      { data: item },
      { data: { data: item } },
      { success: true, data: { data: { data: [item] } } },
    ]
    for (const shape of shapes) expect(read(shape)).toMatchObject({ kind: 'succeeded', images: expected })
  })

  test('are as many as there are, in order, and what is none is left out', () => {
    const data = [
      { url: `${url}?1` },
      null,
      {},
      { b64_json: '(file:a)' },
      7,
      { url: 'nowhere' },
      { b64_json: '' },
      [],
      { url: `${url}?2` },
    ]
    expect(read({ data })).toMatchObject({
      images: [picture({ url: `${url}?1` }), picture({ file: stored('a') }), picture({ url: `${url}?2` })],
    })
  })

  test.each([
    [{ data: [] }],
    [{ success: true, data: [] }],
    [{ data: {} }],
    [{ data: { data: [] } }],
    [{ data: null }],
    [{ data: 'no URL' }],
    [{ data: 7 }],
    [{ data: [{ url: 'javascript:alert(1)' }] }],
    [{ data: [{ b64_json: 'aGVsbG8=' }] }],
    [{ success: true, task_id: 'x' }],
    [{}],
    [[]],
    [[{ url }]],
    [null],
    ['text'],
    [7],
    [undefined],
  ])('%j has neither a picture nor an error', body => {
    expect(read(body)).toBeNull()
  })

  test('256 pictures are a result, and one more is none, not even a failure', () => {
    const data = (count: number) => Array.from({ length: count }, (_, index) => ({ url: `${url}?${index}` }))
    expect(read({ data: data(256) })).toMatchObject({ kind: 'succeeded', images: data(256) })
    expect(read({ data: data(257) })).toBeNull()
    expect(read({ data: { data: data(257) }, error: 'sorry' })).toBeNull()
    // What is no picture is not counted.
    expect(read({ data: [...data(256), {}, null, 'x'] })).toMatchObject({ images: data(256) })
  })

  test('win over an error beside them: they were made, and paid for', () => {
    expect(read({ ...failure, data: [{ url }] })).toMatchObject({ kind: 'succeeded', images: [{ url }] })
  })

  test.each([
    [1721626477, 1721626477],
    [1721626477.9, 1721626477],
    [0, null],
    [0.5, null],
    [-1, null],
    [1e300, null],
    [253_402_300_800, null],
    ['1721626477', null],
    [null, null],
    [true, null],
  ])('created %j becomes %j', (created, expected) => {
    expect(read({ created, data: [{ url }] })).toMatchObject({ created: expected })
    expect(read({ data: { created, data: [{ url }] } })).toMatchObject({ created: expected })
  })

  test('the nearest time counts, and one further out where there is none', () => {
    expect(read({ created: 5, data: { created: 7, data: [{ url }] } })).toMatchObject({ created: 7 })
    expect(read({ created: 5, data: { data: [{ url }] } })).toMatchObject({ created: 5 })
    expect(read({ created: 5, data: { url } })).toMatchObject({ created: 5 })
    expect(read({ created: 5, data: { created: 7, url } })).toMatchObject({ created: 7 })
  })

  test('a revised prompt of another kind is none', () => {
    for (const revised of [7, '', null, {}])
      expect(read({ data: [{ url, revised_prompt: revised }] })).toMatchObject({ images: [picture({ url })] })
  })
})

describe('ids', () => {
  test.each([
    ['t-1', 't-1'],
    [12345, '12345'],
    ['', null],
    [null, null],
    [{}, null],
    [true, null],
    ['x'.repeat(501), null],
  ])('%j is taken as %j', (given, expected) => {
    expect(read({ task_id: given, trace_id: given, data: [{ url }] })).toMatchObject({ taskId: expected, traceId: expected })
    expect(parseAccepted({ task_id: given })?.taskId ?? null).toBe(expected)
  })

  test('an acceptance may say so, and carry a trace', () => {
    expect(parseAccepted({ success: true, task_id: 't', trace_id: 'r' })).toEqual({ kind: 'accepted', taskId: 't', traceId: 'r' })
  })

  test('an acceptance is one whatever else it says', () => {
    const error = { code: 'too_many_requests', message: 'slow down' }
    expect(parseAccepted({ success: false, task_id: 't', error })).toMatchObject({ kind: 'accepted', taskId: 't' })
    expect(parseAccepted({ data: { task_id: 't' } })).toMatchObject({ kind: 'accepted', taskId: 't' })
  })

  test.each([[{}], [{ success: true }], [null], [[]], ['t'], [{ taskId: 't' }]])('%j accepts nothing', body =>
    expect(parseAccepted(body)).toBeNull(),
  )
})

describe('what a result reports', () => {
  const [usage, cost] = [
    { input_tokens: 210, total_tokens: 4_370 },
    { amount: 0.37, currency: 'credit' },
  ]
  const reported = { usage, costMicroCredits: 370_000 }

  test('stands at its top, or within its data, and belongs to a failure as well', () => {
    expect(read({ data: [{ url }], usage, cost })).toMatchObject(reported)
    expect(read({ data: { data: [{ url }], usage, cost } })).toMatchObject(reported)
    expect(read({ data: { data: [{ url }], usage: { total_tokens: 1 } }, usage, cost })).toMatchObject(reported)
    expect(read({ error: 'no', cost: { amount: 0, currency: 'credit' } })).toMatchObject({ kind: 'failed', costMicroCredits: 0 })
  })

  test('is left out where there is none', () => {
    const result = read({ data: [{ url }], usage: null, cost: null })
    expect(result).not.toHaveProperty('usage')
    expect(result).not.toHaveProperty('costMicroCredits')
  })
})

describe('errors', () => {
  test.each<[string, unknown, { code: string; message: string }]>([
    ['a code and a message', { error: { code: 'c', message: 'm' } }, { code: 'c', message: 'm' }],
    ['no success', { success: false, error: { code: 'c', message: 'm' } }, { code: 'c', message: 'm' }],
    ['a bare text', { error: 'no balance' }, { code: 'provider_error', message: 'no balance' }],
    ['a bare text and no success', { success: false, error: 'no balance' }, { code: 'provider_error', message: 'no balance' }],
    ['a code alone', { error: { code: 'used_up' } }, { code: 'used_up', message: 'used_up' }],
    ['a message alone', { error: { message: 'm' } }, { code: 'provider_error', message: 'm' }],
    ['a number as its code', { error: { code: 429, message: 'm' } }, { code: '429', message: 'm' }],
    ['a type, as OpenAI has it', { error: { code: null, type: 't', message: 'm' } }, { code: 't', message: 'm' }],
    ['no success alone', { success: false }, { code: 'provider_error', message: 'the provider reported a failure' }],
    ['no success, and words beside it', { success: false, code: 'c', message: 'm' }, { code: 'c', message: 'm' }],
    [
      'no success, and an empty error',
      { success: false, error: {} },
      { code: 'provider_error', message: 'the provider reported a failure' },
    ],
    ['no success, and null', { success: false, error: null, message: 'm' }, { code: 'provider_error', message: 'm' }],
  ])('%s', (_what, body, expected) => {
    expect(parseError(body)).toEqual({ ...expected, traceId: null })
    expect(read(body)).toEqual({ kind: 'failed', taskId: null, traceId: null, error: { ...expected, traceId: null } })
  })

  test.each([
    [{}],
    [{ error: null }],
    [{ error: '' }],
    [{ error: {} }],
    [{ error: { code: null, message: '' } }],
    [{ error: [] }],
    [{ error: false }],
    [{ success: true }],
    [{ success: true, task_id: 't', error: {} }],
    [{ code: 'c', message: 'm' }],
    [null],
    [['error']],
    ['error'],
  ])('%j reports none', body => {
    expect(parseError(body)).toBeNull()
  })

  test('are cut to a bounded length, not within a character', () => {
    const error = parseError({ error: { code: 'c'.repeat(500), message: `${'x'.repeat(1_999)}🌚` } })
    expect(error?.code).toBe('c'.repeat(100))
    expect(error?.message).toHaveLength(2_000)
    expect(error?.message.isWellFormed()).toBe(true)
  })

  test('bring the ids beside them', () => {
    expect(read({ ...failure, task_id: 't' })).toMatchObject({ taskId: 't', error: { traceId: failure.trace_id } })
  })
})

test('whatever is sent, reading it never throws, and a picture in it is found', () => {
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.dictionary(fc.constantFrom('success', 'error', 'created', 'task_id', 'trace_id', 'x'), fc.jsonValue()),
      (data, more) => {
        expect([null, 'failed', 'succeeded']).toContain(parseResult({ ...more, data }, noFiles)?.kind ?? null)
        parseAccepted(data)
        expect(read({ ...more, data: [data, { url }] })).toMatchObject({ kind: 'succeeded' })
        expect(read({ ...more, data: { data: [data, { b64_json: '(file:a)' }] } })).toMatchObject({ kind: 'succeeded' })
      },
    ),
    { numRuns: 500 },
  )
})

describe('a result with something in it that is no picture', () => {
  const good = { b64_json: '(file:out-1)' }

  test('has the good pictures, and a line for each of the others', () => {
    const bad = [
      { b64_json: '(file:text)' },
      { b64_json: '(file:nothing)' },
      { b64_json: '(file:null)' },
      { b64_json: '' },
      'word',
      7,
    ]
    expect(read({ data: [good, ...bad, { url }] })).toEqual({
      kind: 'succeeded',
      taskId: null,
      traceId: null,
      created: null,
      images: [picture({ file: stored('out-1') }), picture({ url })],
      warnings: [
        "item 2 of the result's 8 was left out: its base64 holds a text",
        "item 3 of the result's 8 was left out: its base64 holds nothing",
        "item 4 of the result's 8 was left out: its base64 holds 3 bytes",
        "item 5 of the result's 8 was left out: it has neither a URL nor base64 that can be read",
        "item 6 of the result's 8 was left out: it has neither a URL nor base64 that can be read",
        "item 7 of the result's 8 was left out: it is no object",
      ],
    })
  })

  test('has what is at the URL where the base64 is no picture', () => {
    expect(read({ data: [{ b64_json: '(file:text)', url }] })).toMatchObject({ images: [{ url, file: null }] })
    expect(read({ data: [{ b64_json: '(file:null)', url: '(file:out-1)' }] })).toMatchObject({
      images: [{ file: stored('out-1') }],
    })
    expect(read({ data: [{ b64_json: '(file:text)', url }] })).not.toHaveProperty('warnings')
  })

  test('keeps bytes of a kind that is not known', () => {
    const unknown = { ...stored('out-1'), contentType: 'application/octet-stream', sizeBytes: 400 }
    const result = parseResult({ data: [{ b64_json: 'x' }] }, value => (value === 'x' ? unknown : undefined))
    expect(result).toMatchObject({ kind: 'succeeded', images: [{ file: unknown }] })
  })

  test('is none where nothing of it is a picture', () => {
    expect(read({ data: [{ b64_json: '(file:text)' }, { b64_json: '(file:null)' }] })).toBeNull()
    const error = { code: 'api_error', message: 'sorry' }
    expect(read({ data: [{ b64_json: '(file:text)' }], error })).toMatchObject({ kind: 'failed', error })
  })

  test('names ten of them, and counts the rest', () => {
    const result = read({ data: [good, ...Array.from({ length: 200 }, () => ({}))] })
    expect(result).toMatchObject({ kind: 'succeeded' })
    const warnings = result?.kind === 'succeeded' ? result.warnings : undefined
    expect(warnings).toHaveLength(11)
    expect(warnings?.at(-1)).toBe("190 more of the result's items were left out")
  })
})
