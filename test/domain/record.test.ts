import { describe, expect, test } from 'vitest'
import { parseRecord } from '../../src/domain/result.ts'

const read = (record: unknown) => parseRecord(record, () => undefined)
const url = 'https://platform.cdn.xhuoapi.ai/a.png'
const success = { success: true, task_id: 't-1', trace_id: 'r-1', created: 5, data: [{ url }], elapsed: 8 }
const silent = { callbackUrl: null, traceIds: [], type: null, createdAt: null, request: {} }
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
      traceIds: ['r-1'],
      type: 'images',
      createdAt: 1761432000063,
      request: whole.request,
      result: {
        kind: 'succeeded',
        taskId: 't-1',
        traceId: 'r-1',
        created: 5,
        images: [{ url, file: null, revisedPrompt: null }],
        recordType: 'images',
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
      ...silent,
      taskId: 't-1',
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
    expect(read(record)).toEqual({ ...silent, taskId: 't-1', result: null })
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
      // Nobody says that it failed.
      mayBeBilled: true,
    })
  })

  test.each([[0], [''], [false]])('whose end is %j, as some write that there is none yet, is still running', finishedAt => {
    expect(read({ id: 't-1', finished_at: finishedAt, response: null })).toEqual({ ...silent, taskId: 't-1', result: null })
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
    const request = { callback_url: 'https://x/callbacks/1' }
    expect(read({ request, response: null })).toEqual({
      ...silent,
      taskId: null,
      callbackUrl: 'https://x/callbacks/1',
      request,
      result: null,
    })
  })

  test('is known by the trace id that was submitted, too, wherever the record has it', () => {
    expect(read({ id: 't-1', trace_id: 'r-1', request: { trace_id: 'ours' } })?.traceIds).toEqual(['r-1', 'ours'])
    expect(read({ id: 't-1', request: { trace_id: 'ours' } })?.traceIds).toEqual(['ours'])
    expect(read({ id: 't-1', trace_id: { odd: true }, request: { trace_id: '' } })?.traceIds).toEqual([])
  })

  test('of an older page has other names and spellings of its times, and is read all the same', () => {
    const { elapsed, ...record } = whole
    const old = { ...record, duration: elapsed, created_at: '2025-10-25T22:40:00.063Z', started_at: '2025-10-25T22:40:01Z' }
    expect(read({ ...old, finished_at: '2025-10-25T22:41:20Z' })).toMatchObject({
      createdAt: 1761432000063,
      result: { kind: 'succeeded' },
    })
    for (const createdAt of [null, '', 'yesterday', -1, Number.NaN, {}])
      expect(read({ ...whole, created_at: createdAt })?.createdAt).toBeNull()
  })

  test('brings what was used and what it cost, from its response before its own', () => {
    const report = { usage: { total_tokens: 7 }, cost: { amount: 0.37, currency: 'credit' } }
    expect(read({ ...whole, response: { ...success, ...report } })?.result).toMatchObject({
      usage: { total_tokens: 7 },
      costMicroCredits: 370_000,
    })
    expect(read({ ...whole, ...report })?.result).toMatchObject({ usage: { total_tokens: 7 }, costMicroCredits: 370_000 })
    expect(
      read({ ...whole, ...report, response: { ...success, cost: { amount: 1, currency: 'credit' } } })?.result,
    ).toMatchObject({
      costMicroCredits: 1_000_000,
    })
  })

  test('without an id of its own has that of its result, before the key of a database', () => {
    expect(read({ _id: 'm-1', response: success, finished_at: 1 })?.taskId).toBe('t-1')
    expect(read({ task_id: 't-2', _id: 'm-1' })?.taskId).toBe('t-2')
  })

  test('may echo no request, or an odd one', () => {
    for (const request of [undefined, null, 'text', [], { callback_url: null }, { callback_url: 7 }])
      expect(read({ ...whole, request })?.callbackUrl).toBeNull()
  })

  test.each([[{}], [null], [[]], ['t-1'], [{ response: success }], [{ id: '' }]])('%j is none', record => {
    expect(read(record)).toBeNull()
  })
})
