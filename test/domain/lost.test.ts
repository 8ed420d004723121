import { describe, expect, test } from 'vitest'
import { isSameRequest, type LostTask, mayBeOf } from '../../src/domain/lost.ts'
import type { InputRecord, JobRecord } from '../../src/domain/records.ts'
import { parseRecord, type TaskRecord } from '../../src/domain/result.ts'

const input = (url: string | null): InputRecord => ({
  position: 0,
  role: 'image',
  url,
  file: url === null ? 'in-0' : null,
  contentType: null,
  sizeBytes: null,
  sha256: null,
  width: null,
  height: null,
})

/** Only what is looked at here. */
function jobWith(changes: Partial<JobRecord> = {}): JobRecord {
  const params = { size: '1024x1536', trace_id: 'order-1' }
  const inputs = [input('https://example.com/a.png')]
  return { model: 'gpt-image-2', prompt: 'dark mode', n: 1, params, inputs, ...changes } as JobRecord
}

const request = {
  model: 'gpt-image-2',
  prompt: 'dark mode',
  size: '1024x1536',
  image: 'https://example.com/a.png',
  trace_id: 'order-1',
}
function recordWith(changes: object = {}, more: object = {}): TaskRecord {
  const record = { id: 't-1', trace_id: 'order-1', created_at: 1_000, request: { ...request, ...changes }, ...more }
  // It has an id, so it is one.
  return parseRecord(record, () => undefined) as TaskRecord
}

describe('a record repeats a request', () => {
  test.each([
    ['as it was sent', {}],
    ['without some of it', { size: undefined, image: undefined }],
    ['with more beside it', { n: 1, callback_url: 'https://elsewhere.example.com' }],
    ['with its pictures as a list, or under another name', { image: undefined, image_urls: ['https://example.com/a.png'] }],
    ['with a word in place of a picture', { image: '<file>' }],
  ])('%s', (_what, changes) => {
    expect(isSameRequest(recordWith(changes), jobWith())).toBe(true)
  })

  test.each([
    ['another prompt', { prompt: 'light mode' }],
    ['no prompt', { prompt: undefined }],
    ['another model', { model: 'gpt-image-1' }],
    ['another size', { size: '1024x1024' }],
    ['other pictures', { image: 'https://example.com/b.png' }],
    ['more pictures', { image: ['https://example.com/a.png', 'https://example.com/b.png'] }],
  ])('not with %s', (_what, changes) => {
    expect(isSameRequest(recordWith(changes), jobWith())).toBe(false)
  })

  test('that held files, of which nothing is shown', () => {
    expect(isSameRequest(recordWith({ image: 'https://cdn.example.com/x.png' }), jobWith({ inputs: [input(null)] }))).toBe(true)
  })
})

describe('a client’s own trace id', () => {
  const lost: LostTask = { taskId: 1, job: jobWith(), from: 900_000, to: 1_100_000 }

  test('may be a lost task’s, if time and request say so too', () => {
    expect(mayBeOf(recordWith(), lost)).toBe(true)
    expect(mayBeOf(recordWith({ prompt: 'light mode' }), lost)).toBe(false)
    for (const created_at of [899, 1_101, null]) expect(mayBeOf(recordWith({}, { created_at }), lost)).toBe(false)
  })

  test('tells nothing of a task whose submit did not have it', () => {
    for (const job of [jobWith({ n: 2 }), jobWith({ params: { size: '1024x1536' } })])
      expect(mayBeOf(recordWith(), { ...lost, job })).toBe(false)
    expect(mayBeOf(recordWith({ trace_id: undefined }, { trace_id: 'other' }), lost)).toBe(false)
  })
})
