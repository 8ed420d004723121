import { describe, expect, test } from 'vitest'
import { file, form, json, least, refusal, refusedFor, taken, takenForm } from './requests.ts'

describe('what goes to the provider', () => {
  test('the parameters that it knows', () => {
    const params = {
      size: '1024x1536',
      quality: 'high',
      background: 'transparent',
      input_fidelity: 'high',
      output_format: 'webp',
      output_compression: 80,
      response_format: 'b64_json',
      user: 'u-1',
    }
    expect(taken(params).edit.params).toEqual(params)
    expect(taken({ ...params, model: 'gpt-image-1' })).toMatchObject({ edit: { params }, warnings: [] })
  })

  test('fields that nobody knows, untouched and of any kind', () => {
    const params = {
      seed: 7,
      tags: ['a', 1, null],
      style: { depth: { of: 'field' } },
      fast: false,
      empty: '',
      none: [],
      nothing: {},
    }
    expect(taken(params).edit.params).toEqual(params)
  })

  test('fields whose names objects have already', () => {
    const body = JSON.parse('{"__proto__": "a", "constructor": "b", "hasOwnProperty": "c", "toString": {"x": 1}}') as object
    const { params } = taken(body).edit
    expect(Object.entries(params)).toEqual(Object.entries(body))
    expect(Object.getPrototypeOf(params)).toBe(Object.prototype)
    expect(JSON.stringify(params)).toBe(JSON.stringify(body))
  })

  test('the text of a form as text, and what is repeated as a list', () => {
    expect(takenForm(['seed', '7'], ['tag', 'a'], ['tag', 'b'], ['fast', 'true']).edit.params).toEqual({
      seed: '7',
      tag: ['a', 'b'],
      fast: 'true',
    })
  })

  test('nothing of what is ours, nor of what has a field of its own', () => {
    const own = { metadata: { a: 'b' }, webhook_url: 'https://example.com', webhook_events: ['job.failed'], timeout_s: 5 }
    expect(taken({ ...own, n: 2, model: 'gpt-image-1', mask: 'https://example.com/m.png' }).edit.params).toEqual({})
  })
})

describe('what is refused before it is charged', () => {
  test.each(['size', 'quality', 'background', 'input_fidelity', 'output_format', 'response_format', 'user'])(
    '%s that is no string',
    name => {
      for (const wrong of [7, true, [], ['high'], {}, 'half \ud83d'])
        for (const model of ['gpt-image-2', 'gpt-image-1', 'dall-e-2']) expect(refusedFor({ model, [name]: wrong })).toBe(name)
      expect(refusal(form(['prompt', 'x'], ['image', file()], [name, 'a'], [name, 'b'])).param).toBe(name)
    },
  )

  test.each([-1, 101, 0.5, '80', true, [], {}])('an output_compression of %j', value => {
    expect(refusedFor({ output_compression: value })).toBe('output_compression')
  })

  test.each([0, 100])('but not an output_compression of %i', value => {
    expect(taken({ output_compression: value }).edit.params).toEqual({ output_compression: value })
    expect(takenForm(['output_compression', String(value)]).edit.params).toEqual({ output_compression: value })
  })

  test.each(['1024x1000', '4096x1024', '3840x3840', 'large', '1024'])('the size %s for gpt-image-2', size => {
    expect(refusedFor({ size })).toBe('size')
    expect(refusal(form(['prompt', 'x'], ['image', file()], ['size', size])).param).toBe('size')
  })

  test('but not for a model whose sizes are passed on', () => {
    for (const model of ['gpt-image-1', 'gpt-image-1.5', 'dall-e-2', 'any-other'])
      expect(taken({ model, size: 'large' }).edit.params).toEqual({ size: 'large' })
  })

  test.each(['', 'auto', '1254x1254', '2048x1152'])('nor the size %j', size => {
    expect(taken({ size }).edit.params).toEqual({ size })
  })

  test.each(['callback_url', 'async', 'stream', 'partial_images'])('%s, whatever it says', name => {
    for (const value of ['', 'x', false, true, 0, 3, {}, []]) expect(refusedFor({ [name]: value })).toBe(name)
    for (const model of ['nano-banana', 'any-other']) expect(refusedFor({ model, [name]: true })).toBe(name)
    expect(refusal(form(['prompt', 'x'], ['image', file()], [name, ''])).param).toBe(name)
    expect(taken({ [name]: null })).toEqual(taken())
  })

  test('a file where a text belongs', () => {
    expect(refusal(form(['prompt', 'x'], ['image', file()], ['style', file()])).param).toBe('style')
    expect(refusal(form(['prompt', 'x'], ['image', file()], ['style', 'a'], ['style', file()])).param).toBe('style')
  })

  test('more than 100 fields', () => {
    const fields = (count: number): object =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, index]))
    expect(Object.keys(taken(fields(98)).edit.params)).toHaveLength(98)
    expect(refusal(json({ ...least, ...fields(99) }))).toMatchObject({ param: null, message: expect.stringContaining('100') })
  })

  test('a field without a usable name', () => {
    expect(Object.keys(taken({ ['f'.repeat(200)]: 1 }).edit.params)).toEqual(['f'.repeat(200)])
    for (const name of ['', 'f'.repeat(201), 'half \ud83d']) expect(refusedFor({ [name]: 1 })).toBeNull()
  })
})

describe('a model that ignores parameters', () => {
  test.each(['nano-banana', 'nano-banana-2', 'nano-banana-pro'])('%s drops them, with a warning for each', model => {
    const { edit, warnings } = taken({ model, size: '1024x1024', quality: 'high', seed: 7, n: 2 })
    expect(edit).toMatchObject({ params: {}, n: 2 })
    expect(warnings).toEqual([
      `size was dropped: ${model} ignores it`,
      `quality was dropped: ${model} ignores it`,
      `seed was dropped: ${model} ignores it`,
    ])
  })

  test('drops what would be wrong elsewhere, too', () => {
    expect(taken({ model: 'nano-banana', size: '7x7', output_compression: 500, user: 7 })).toMatchObject({
      edit: { params: {} },
      warnings: [expect.stringMatching(/^size /), expect.stringMatching(/^output_compression /), expect.stringMatching(/^user /)],
    })
  })

  test('warns in lines of a bounded length', () => {
    const [warning = ''] = taken({ model: 'nano-banana', ['f'.repeat(200)]: 1 }).warnings
    expect(warning.length).toBeLessThan(200)
  })
})

describe('a model that is not known', () => {
  test('is sent everything untouched', () => {
    const params = { size: 7, quality: ['high'], output_compression: '500', user: null, response_format: {}, seed: 1 }
    const { user: _absent, ...sent } = params
    expect(taken({ model: 'any-other', ...params })).toMatchObject({ edit: { params: sent }, warnings: [] })
    expect(takenForm(['model', 'any-other'], ['size', 'a'], ['size', 'b'], ['output_compression', '80']).edit.params).toEqual({
      size: ['a', 'b'],
      output_compression: '80',
    })
  })
})
