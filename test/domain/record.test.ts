import { describe, expect, test } from 'vitest'
import { parseRecord } from '../../src/domain/result.ts'

const read = (record: unknown) => parseRecord(record, () => undefined)
const url = 'https://platform.cdn.xhuoapi.ai/a.png'
const success = { success: true, task_id: 't-1', trace_id: 'r-1', created: 5, data: [{ url }], elapsed: 8 }
const whole = {
  id: 't-1',
  _id: 'internal',
  type: 'images',
  trace_id: 'r-1',
  request: { model: 'gpt-image-2', callback_url: 'https://darkroom.example.com/callbacks/1.x' },
  response: success,
  created_at: 1761432000.063,
  started_at: 1761432001,
  finished_at: 1761432080.5,
  elapsed: 79.5,
}

describe('a task record', () => {
  test('of a task that succeeded', () => {
    expect(read(whole)).toEqual({
      taskId: 't-1',
      callbackUrl: 'https://darkroom.example.com/callbacks/1.x',
      result: {
        kind: 'succeeded',
        taskId: 't-1',
        traceId: 'r-1',
        created: 5,
        images: [{ url, file: null, revisedPrompt: null }],
      },
    })
  })

  test('of a task that failed, as documented', () => {
    const message = 'size width and height must be multiples of 16'
    const record = {
      id: 't-1',
      finished_at: 1785137086.2247078,
      response: { success: false, error: { code: 'bad_request', message } },
    }
    expect(read(record)).toEqual({
      taskId: 't-1',
      callbackUrl: null,
      result: { kind: 'failed', taskId: 't-1', traceId: null, error: { code: 'bad_request', message, traceId: null } },
    })
  })

  test('of a failure brings its own trace where the response has none', () => {
    const record = { ...whole, response: { error: 'no' } }
    expect(read(record)?.result).toMatchObject({ kind: 'failed', traceId: 'r-1', error: { traceId: 'r-1' } })
  })

  test('whose response has ids of its own keeps them', () => {
    const record = { ...whole, response: { ...success, task_id: 't-2', trace_id: 'r-2' } }
    expect(read(record)).toMatchObject({ taskId: 't-1', result: { taskId: 't-2', traceId: 'r-2' } })
  })

  test.each([
    ['nothing yet', { id: 't-1', finished_at: null, response: null }],
    ['no word of its end', { id: 't-1' }],
    ['a response without a result', { id: 't-1', finished_at: null, response: { task_id: 't-1' } }],
    ['an error, but no end: it may be tried again there', { id: 't-1', finished_at: null, response: { success: false } }],
  ])('with %s is still running', (_what, record) => {
    expect(read(record)).toEqual({ taskId: 't-1', callbackUrl: null, result: null })
  })

  test('with a picture is taken, even where it does not say that it is over', () => {
    expect(read({ ...whole, finished_at: null })?.result).toMatchObject({ kind: 'succeeded', images: [{ url }] })
  })

  test('with more pictures than a result may have is one without a result', () => {
    const response = { data: Array.from({ length: 257 }, (_, index) => ({ url: `${url}?${index}` })) }
    expect(read({ ...whole, response })?.result).toMatchObject({ kind: 'failed', error: { code: 'no_result' } })
    expect(read({ ...whole, response, finished_at: null })?.result).toBeNull()
  })

  test.each([[null], [{}], [{ data: [] }], ['?']])('that is over with %j for a response has failed', response => {
    expect(read({ ...whole, response })?.result).toMatchObject({
      kind: 'failed',
      taskId: 't-1',
      error: { code: 'no_result', traceId: 'r-1' },
    })
  })

  test('may be over at any time, in any spelling of it', () => {
    for (const finishedAt of [0, 1, 1.5, '2026-01-01T00:00:00Z'])
      expect(read({ id: 't-1', finished_at: finishedAt, response: success })?.result?.kind).toBe('succeeded')
  })

  test('may have its id as _id, or as a number', () => {
    expect(read({ _id: 'm-1', finished_at: null })?.taskId).toBe('m-1')
    expect(read({ id: 7, _id: 'm-1', finished_at: null })?.taskId).toBe('7')
  })

  test('without an id is known by its callback URL alone', () => {
    expect(read({ request: { callback_url: 'https://x/callbacks/1' }, response: null })).toEqual({
      taskId: null,
      callbackUrl: 'https://x/callbacks/1',
      result: null,
    })
  })

  test('may echo no request, or an odd one', () => {
    for (const request of [undefined, null, 'text', [], { callback_url: null }, { callback_url: 7 }])
      expect(read({ ...whole, request })?.callbackUrl).toBeNull()
  })

  test.each([[{}], [null], [[]], ['t-1'], [{ response: success }], [{ id: '' }]])('%j is none', record => {
    expect(read(record)).toBeNull()
  })
})
