import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkRequest, fingerprint, type JobRequest } from '../../src/domain/request.ts'
import { file, form, json, least, limits, pictureUrl, printOf, taken } from './requests.ts'

const base = { ...least, size: '1024x1024', n: 2, metadata: { a: '1', b: '2' }, timeout_s: 60, seed: 7, fast: true }
const basePrint = printOf(json(base))

describe('the same request has the same fingerprint', () => {
  test('64 hex digits', () => {
    expect(basePrint).toMatch(/^[0-9a-f]{64}$/)
  })

  test('in JSON and in a form', () => {
    const inForm = form(
      ['prompt', 'dark mode'],
      ['image', pictureUrl],
      ['size', '1024x1024'],
      ['n', '2'],
      ['metadata', '{"a":"1","b":"2"}'],
      ['timeout_s', '60'],
      ['seed', '7'],
      ['fast', 'true'],
    )
    expect(printOf(inForm)).toBe(basePrint)
  })

  test('with its fields, and the keys in them, in another order', () => {
    const turned = Object.fromEntries(Object.entries(base).toReversed())
    expect(printOf(json({ ...turned, metadata: { b: '2', a: '1' } }))).toBe(basePrint)
    const nested = { style: { a: { x: 1, y: 2 }, b: [1, 2] } }
    expect(printOf(json({ ...least, ...nested }))).toBe(printOf(json({ ...least, style: { b: [1, 2], a: { y: 2, x: 1 } } })))
  })

  test('with the same bytes as an upload and as a data: URL, whatever they are called and wherever they lie', () => {
    const uploaded = { ...file('same bytes'), name: 'in-upload' }
    const fromDataUrl = { ...file('same bytes'), name: 'in-data', contentType: 'image/png' }
    const inForm = form(['prompt', 'x'], ['image[]', uploaded], ['image[]', pictureUrl])
    expect(printOf(inForm)).toBe(printOf(json({ prompt: 'x', image: [fromDataUrl, pictureUrl] })))
  })

  test('with a default given or left out', () => {
    const events = ['job.expired', 'job.canceled', 'job.failed', 'job.succeeded', 'job.failed']
    const given = {
      ...least,
      model: 'gpt-image-2',
      n: 1,
      metadata: {},
      webhook_events: events,
      mask: null,
      user: null,
    }
    expect(printOf(json(given))).toBe(printOf(json(least)))
  })

  test('under another default of the service, where the client names no timeout', () => {
    const under = (jobTimeoutS: number, body: object) => fingerprint(checkRequest(json(body), { ...limits, jobTimeoutS }))
    expect(under(900, least)).toBe(under(1_800, least))
    expect(under(900, { ...least, timeout_s: 60 })).toBe(under(1_800, { ...least, timeout_s: 60 }))
    expect(under(1_800, { ...least, timeout_s: 1_800 })).not.toBe(under(1_800, least))
  })

  test('with a picture that was fetched meanwhile', () => {
    const request = taken()
    const fetched: JobRequest = {
      ...request,
      edit: { ...request.edit, inputs: request.edit.inputs.map(input => ({ ...input, file: file('fetched') })) },
    }
    expect(fingerprint(fetched)).toBe(fingerprint(request))
  })

  test('with repeated parts of a form, and a list in JSON', () => {
    expect(printOf(form(['prompt', 'dark mode'], ['image', pictureUrl], ['tag', 'a'], ['tag', '2']))).toBe(
      printOf(json({ ...least, tag: ['a', 2] })),
    )
  })
})

describe('a request that differs in anything has another fingerprint', () => {
  test.each<[string, object]>([
    ['the prompt', { prompt: 'light mode' }],
    ['white space in the prompt', { prompt: 'dark  mode' }],
    ['the model', { model: 'gpt-image-1' }],
    ['the URL', { image: 'https://example.com/other.png' }],
    ['a file for a URL', { image: file() }],
    ['a second picture', { image: [pictureUrl, pictureUrl] }],
    ['a mask', { mask: pictureUrl }],
    ['n', { n: 3 }],
    ['the size', { size: '1024x1536' }],
    ['one parameter more', { quality: 'high' }],
    ['a field that nobody knows', { seed: 8 }],
    ['a value of the metadata', { metadata: { a: '1', b: '3' } }],
    ['a key of the metadata', { metadata: { a: '1', c: '2' } }],
    ['the webhook', { webhook_url: 'https://example.com/hook' }],
    ['its events', { webhook_events: ['job.failed'] }],
    ['the timeout', { timeout_s: 61 }],
  ])('%s', (_what, change) => {
    expect(printOf(json({ ...base, ...change }))).not.toBe(basePrint)
  })

  test('the order of its pictures, and which of them is the mask', () => {
    const [one, two] = [file('one'), file('two')]
    const prints = [
      { image: [one, two] },
      { image: [two, one] },
      { image: one, mask: two },
      { image: two, mask: one },
      { image: one },
    ].map(pictures => printOf(json({ prompt: 'x', ...pictures })))
    expect(new Set(prints).size).toBe(prints.length)
  })

  test('structures that only look alike when they are flattened', () => {
    const values = [
      { a: 1 },
      [['a', 1]],
      ['a', 1],
      'a,1',
      [],
      {},
      '',
      [[]],
      [{}],
      [''],
      'list',
      ['list'],
      'object',
      [null],
      ['null'],
    ]
    const prints = values.map(style => printOf(json({ ...least, style })))
    expect(new Set(prints).size).toBe(values.length)
  })

  test('the same value under another name', () => {
    const prints = [{ a: 'b', c: 'd' }, { a: 'd', c: 'b' }, { 'a,b': 'c,d' }, { ab: 'cd' }].map(params =>
      printOf(json({ ...least, ...params })),
    )
    expect(new Set(prints).size).toBe(prints.length)
  })
})

/** Any text but what would make a field of a form mean something else. */
const texts = fc.dictionary(fc.stringMatching(/^x[a-z]{1,8}$/), fc.string({ unit: 'binary', maxLength: 20 }), { maxKeys: 8 })

test('whatever texts a request holds, its framing makes no difference, and any one of them does', () => {
  fc.assert(
    fc.property(texts, fc.constantFrom('gpt-image-2', 'any-other'), (params, model) => {
      const inForm = form(['image', pictureUrl], ...Object.entries({ ...params, model, prompt: 'dark mode' }))
      const print = printOf(inForm)
      expect(print).toBe(printOf(json({ ...least, model, ...params })))
      const [name] = Object.keys(params)
      if (name === undefined) return
      const other = fingerprint(checkRequest(json({ ...least, model, ...params, [name]: `${params[name]}!` }), limits))
      expect(other).not.toBe(print)
    }),
  )
})
