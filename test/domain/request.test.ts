import { describe, expect, test } from 'vitest'
import { checkIdempotencyKey, checkRequest, sendsN, tasksNeeded } from '../../src/domain/request.ts'
import { file, form, json, least, limits, pictureUrl, refusal, refusedFor, taken, takenForm } from './requests.ts'

const loneSurrogate = 'half a \ud83d pair'

describe('a request with nothing but what it must have', () => {
  test('gets the defaults', () => {
    expect(taken()).toEqual({
      edit: {
        model: 'gpt-image-2',
        prompt: 'dark mode',
        inputs: [{ role: 'image', url: pictureUrl, file: null }],
        params: {},
        n: 1,
      },
      warnings: [],
      metadata: {},
      webhookUrl: null,
      webhookEvents: ['job.succeeded', 'job.failed', 'job.canceled', 'job.expired'],
      timeoutS: 1_800,
      isTimeoutGiven: false,
    })
  })

  test('null is as good as absent, in every optional field', () => {
    const optional = [
      'model',
      'mask',
      'size',
      'n',
      'quality',
      'background',
      'input_fidelity',
      'output_format',
      'output_compression',
    ]
    const more = ['response_format', 'user', 'webhook_url', 'webhook_events', 'metadata', 'timeout_s', 'seed']
    const none = ['callback_url', 'async', 'stream', 'partial_images', 'image[]']
    expect(taken(Object.fromEntries([...optional, ...more, ...none].map(name => [name, null])))).toEqual(taken())
  })

  test('an empty text in a form is as good as absent where a choice is left open', () => {
    const parts = ['model', 'webhook_url', 'webhook_events', 'metadata'].map((name): [string, string] => [name, ''])
    expect(takenForm(...parts)).toEqual(takenForm())
  })

  test.each([
    ['prompt', { image: pictureUrl }],
    ['prompt', { image: pictureUrl, prompt: null }],
    ['image', { prompt: 'x' }],
    ['image', { prompt: 'x', image: null }],
    ['image', { prompt: 'x', image: [] }],
    ['image', { prompt: 'x', mask: pictureUrl }],
    ['prompt', {}],
  ])('without %s it is refused: %j', (param, body) => {
    expect(refusal(json(body))).toMatchObject({ code: 'invalid_request', status: 400, param, type: 'invalid_request_error' })
  })
})

describe('the prompt', () => {
  test.each([
    ['one character', 'x'],
    ['32,000 characters', 'x'.repeat(32_000)],
    ['32,000 emoji', '🌚'.repeat(32_000)],
    ['32,000 characters of three bytes', '暗'.repeat(32_000)],
    ['line breaks and quotes', 'a\r\n"b"\t\\'],
    ['a NUL', 'a\0b'],
    ['white space around it', '  x '],
  ])('may be %s, and stays as it is', (_what, prompt) => {
    expect(taken({ prompt }).edit.prompt).toBe(prompt)
    expect(checkRequest(form(['prompt', prompt], ['image', file()]), limits).edit.prompt).toBe(prompt)
  })

  test.each([
    ['empty', ''],
    ['blank', ' \n\t\u3000'],
    ['32,001 characters', 'x'.repeat(32_001)],
    ['32,001 emoji', '🌚'.repeat(32_001)],
    ['a million characters', 'x'.repeat(1_000_000)],
    ['a lone surrogate', loneSurrogate],
    ['a number', 7],
    ['a boolean', true],
    ['an array', ['x']],
    ['an object', { text: 'x' }],
  ])('must not be %s', (_what, prompt) => {
    expect(refusedFor({ prompt })).toBe('prompt')
  })

  test('must be given once, and be no file', () => {
    expect(refusal(form(['prompt', 'a'], ['prompt', 'b'], ['image', file()])).param).toBe('prompt')
    expect(refusal(form(['prompt', file()], ['image', file()])).param).toBe('prompt')
  })
})

describe('the model', () => {
  test.each(['gpt-image-2', 'nano-banana-pro', 'some/other:model@v2', 'constructor', '__proto__', 'm'.repeat(100)])(
    'may be %s',
    model => {
      expect(taken({ model }).edit.model).toBe(model)
    },
  )

  test('is the default where it is empty', () => {
    expect(taken({ model: '' }).edit.model).toBe('gpt-image-2')
  })

  test.each([7, false, [], ['gpt-image-2'], {}, 'two words', 'ümlaut', 'm'.repeat(101), 'a\nb', ' ', '\0', loneSurrogate])(
    'must not be %j',
    model => expect(refusedFor({ model })).toBe('model'),
  )
})

describe('n', () => {
  test.each([
    ['gpt-image-2', 1, 1, false],
    ['gpt-image-2', 10, 10, false],
    ['gpt-image-1', 3, 3, false],
    ['gpt-image-1.5', 3, 3, false],
    ['nano-banana', 4, 4, false],
    ['nano-banana-2', 4, 4, false],
    ['nano-banana-pro', 2, 2, false],
    ['dall-e-2', 1, 1, false],
    ['dall-e-2', 10, 1, true],
    ['any-other', 1, 1, false],
    ['any-other', 5, 1, true],
  ])('%s: n %i makes %i tasks; sent to the provider: %s', (model, n, tasks, sent) => {
    const { edit } = taken({ model, n })
    expect(edit.n).toBe(n)
    expect(tasksNeeded(edit)).toBe(tasks)
    expect(sendsN(edit)).toBe(sent)
    expect(edit.params).toEqual({})
  })

  test.each([0, 11, -1, 1.5, 1e300, '1', '', true, [1], {}, 'two'])('must not be %j in JSON', n => {
    expect(refusedFor({ n })).toBe('n')
  })

  test.each(['0', '11', '-1', '1.5', '1e1', 'two', ' 1', '0x1', '99999999999', '１'])('must not be %j in a form', n => {
    expect(refusal(form(['prompt', 'x'], ['image', file()], ['n', n])).param).toBe('n')
  })

  test('is read out of the text of a form', () => {
    expect(takenForm(['n', '10']).edit.n).toBe(10)
  })

  test('must be given once', () => {
    expect(refusal(form(['prompt', 'x'], ['image', file()], ['n', '1'], ['n', '1'])).message).toBe('n must be given once')
  })
})

describe('metadata', () => {
  const pairs = (count: number): object => Object.fromEntries(Array.from({ length: count }, (_, index) => [`key${index}`, 'x']))

  test.each([
    ['nothing', {}],
    ['16 pairs', pairs(16)],
    ['a key of 64 and a value of 512 characters', { ['k'.repeat(64)]: 'v'.repeat(512) }],
    ['a key of 64 and a value of 512 emoji', { ['🔑'.repeat(64)]: '🌚'.repeat(512) }],
    ['an empty value', { key: '' }],
    ['names that objects have already', JSON.parse('{"__proto__": "a", "constructor": "b", "toString": "c"}') as object],
  ])('may hold %s', (_what, metadata) => {
    const fromJson = taken({ metadata }).metadata
    expect(Object.entries(fromJson)).toEqual(Object.entries(metadata))
    expect(Object.entries(takenForm(['metadata', JSON.stringify(metadata)]).metadata)).toEqual(Object.entries(metadata))
  })

  test.each([
    ['a text', 'x'],
    ['an empty text in JSON', ''],
    ['JSON text in JSON', '{"a":"b"}'],
    ['a number', 1],
    ['true', true],
    ['an array', [['a', 'b']]],
    ['an empty array', []],
    ['17 pairs', pairs(17)],
    ['a key of 65 characters', { ['k'.repeat(65)]: 'v' }],
    ['an empty key', { '': 'v' }],
    ['a value of 513 characters', { key: 'v'.repeat(513) }],
    ['a value of 513 emoji', { key: '🌚'.repeat(513) }],
    ['a number as a value', { key: 1 }],
    ['null as a value', { key: null }],
    ['an object as a value', { key: {} }],
    ['a lone surrogate as a value', { key: loneSurrogate }],
    ['a lone surrogate as a key', { [loneSurrogate]: 'v' }],
  ])('must not be %s', (_what, metadata) => {
    expect(refusedFor({ metadata })).toBe('metadata')
  })

  test.each(['x', '{', 'null', '1', '"a"', '[]', '[["a","b"]]', '{"a":1}'])('must not be %s in a form', metadata => {
    expect(refusal(form(['prompt', 'x'], ['image', file()], ['metadata', metadata])).param).toBe('metadata')
  })
})

describe('the webhook', () => {
  test('is taken with the events that are asked for, each once', () => {
    const request = taken({
      webhook_url: 'https://example.com/hook',
      webhook_events: ['job.processing', 'job.failed', 'job.processing'],
    })
    expect(request).toMatchObject({
      webhookUrl: 'https://example.com/hook',
      webhookEvents: ['job.processing', 'job.failed'],
    })
    const inForm = takenForm(['webhook_url', 'https://example.com/hook'], ['webhook_events', '["job.late_result"]'])
    expect(inForm).toMatchObject({ webhookUrl: 'https://example.com/hook', webhookEvents: ['job.late_result'] })
  })

  test('every event that is sent can be asked for', () => {
    const all = ['job.processing', 'job.succeeded', 'job.failed', 'job.canceled', 'job.expired', 'job.late_result']
    expect(taken({ webhook_events: all }).webhookEvents).toEqual(all)
  })

  test('at an address that may not be used is refused with the reason', () => {
    const { param, message } = refusal(json({ ...least, webhook_url: 'http://10.0.0.1/hook' }))
    expect(param).toBe('webhook_url')
    expect(message).toBe('webhook_url is at a private address')
  })

  test.each([7, true, [], {}, ['https://example.com'], `https://example.com/${loneSurrogate}`])('must not be %j', webhookUrl => {
    expect(refusedFor({ webhook_url: webhookUrl })).toBe('webhook_url')
  })

  test.each([
    [],
    'job.failed',
    '',
    '["job.failed"]',
    {},
    7,
    ['job.queued'],
    ['job.image'],
    [null],
    [['job.failed']],
    ['job.failed', 'x'],
  ])('events must not be %j', events => expect(refusedFor({ webhook_events: events })).toBe('webhook_events'))

  test.each(['job.failed', '{}', '[]', 'null', '["job.queued"]'])('events must not be %s in a form', events => {
    expect(refusal(form(['prompt', 'x'], ['image', file()], ['webhook_events', events])).param).toBe('webhook_events')
  })
})

describe('timeout_s', () => {
  test.each([1, 60, 1_800])('may be %i', timeoutS => {
    expect(taken({ timeout_s: timeoutS }).timeoutS).toBe(timeoutS)
    expect(takenForm(['timeout_s', String(timeoutS)]).timeoutS).toBe(timeoutS)
  })

  test.each([0, -1, 1_801, 0.5, '60', true, [], {}])('must not be %j', timeoutS => {
    expect(refusedFor({ timeout_s: timeoutS })).toBe('timeout_s')
  })
})

describe('an idempotency key', () => {
  test.each(['k', 'with space', '~!@#', 'k'.repeat(255)])('may be %s', key => {
    expect(checkIdempotencyKey(key)).toBe(key)
  })

  test.each(['', 'k'.repeat(256), 'ümlaut', 'a\tb', 'a\nb', '\0', '\x7f', '🔑'])('must not be %j', key => {
    expect(() => checkIdempotencyKey(key)).toThrow(
      expect.objectContaining({ code: 'invalid_request', status: 400, param: 'Idempotency-Key' }),
    )
  })
})
