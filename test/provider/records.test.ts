import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { type RecordsQuery, recordsFolder } from '../../src/domain/provider.ts'
import { type Connected, connect, httpServer, json, type Seen, sha256 } from './setting.ts'

const none = new AbortController().signal
const range = { createdFromS: 1_000, createdToS: 2_000, offset: 0, limit: 100 }
const record = (id: string, response: unknown, finished_at: number | null = 1_761_432_090.5) => ({
  id,
  trace_id: `trace-${id}`,
  request: { prompt: 'dark mode', callback_url: `https://us.example.com/callbacks/${id}` },
  response,
  finished_at,
})
const url = (name: string) => ({ success: true, created: 1_777_048_863, data: [{ url: `https://cdn.example.com/${name}.png` }] })
const base64 = (bytes: Buffer, count = 1) => ({
  success: true,
  data: { created: 0, data: Array.from({ length: count }, () => ({ b64_json: bytes.toString('base64') })) },
})

async function answering(
  answer: (response: ServerResponse, query: Record<string, unknown>) => void,
  maxAnswerBytes?: number,
): Promise<{ connected: Connected; seen: Seen[]; ask: (query: RecordsQuery) => ReturnType<Connected['provider']['records']> }> {
  const { url: baseUrl, seen } = await httpServer((response, { body }) =>
    answer(response, JSON.parse(body.toString()) as Record<string, unknown>),
  )
  const connected = await connect(baseUrl, maxAnswerBytes === undefined ? {} : { maxAnswerBytes })
  return { connected, seen, ask: query => connected.provider.records(query, none) }
}

test('tasks are asked for in a batch, by their ids, with our key', async () => {
  const { ask, seen } = await answering(response => json(response, 200, { items: [record('a', url('a'))], count: 1 }))
  expect(await ask({ taskIds: ['a', 'b'] })).toMatchObject([
    { taskId: 'a', callbackUrl: 'https://us.example.com/callbacks/a', result: { kind: 'succeeded', traceId: 'trace-a' } },
  ])
  expect(seen[0]).toMatchObject({ path: '/openai/tasks', headers: { authorization: 'Bearer a-key' } })
  expect(JSON.parse(seen[0]?.body.toString() ?? '')).toEqual({ action: 'retrieve_batch', ids: ['a', 'b'], offset: 0, limit: 2 })
})

test.each([
  ['{} for what it does not know', {}, 0],
  ['no items', { items: [], count: 0 }, 0],
  ['one record alone', record('a', null, null), 1],
  ['a list without a frame', [record('a', null, null), {}, null, 'x'], 1],
])('an answer may be %s', async (_name, body, count) => {
  const { ask } = await answering(response => json(response, 200, body))
  expect(await ask({ taskIds: ['a'] })).toHaveLength(count)
})

test('pictures in a record are on the disk when it is told, those of no result are gone', async () => {
  const bytes = randomBytes(200_000)
  const running = { ...record('b', null, null), preview: { b64_json: bytes.toString('base64') } }
  const { ask, connected } = await answering(response => json(response, 200, { items: [record('a', base64(bytes)), running] }))
  const [first, second] = await ask({ taskIds: ['a', 'b'] })
  const file = first?.result?.kind === 'succeeded' ? first.result.images[0]?.file : null
  expect(file?.sha256).toBe(sha256(bytes))
  expect(second?.result).toBeNull()
  expect(await connected.filesIn(recordsFolder)).toEqual([file?.name])
})

test('a range tells whose records they are, and leaves nothing of their pictures', async () => {
  const { ask, connected, seen } = await answering(response =>
    json(response, 200, { items: [record('a', base64(randomBytes(100_000))), record('b', url('b'))] }),
  )
  expect(await ask(range)).toMatchObject([
    { taskId: 'a', callbackUrl: 'https://us.example.com/callbacks/a', traceIds: ['trace-a'], result: null },
    { taskId: 'b', callbackUrl: 'https://us.example.com/callbacks/b', traceIds: ['trace-b'], result: null },
  ])
  // The type of a record names a worker, and moves: whoever asks for one misses the others.
  expect(JSON.parse(seen[0]?.body.toString() ?? '')).toEqual({
    action: 'retrieve_batch',
    created_at_min: 1_000,
    created_at_max: 2_000,
    offset: 0,
    limit: 100,
  })
  expect(await connected.filesIn(recordsFolder)).toEqual([])
})

test('trace ids are asked for alone, and tell whose records they are, too', async () => {
  const { ask, connected, seen } = await answering(response =>
    json(response, 200, { items: [record('a', base64(randomBytes(100_000)))] }),
  )
  const asked = { traceIds: ['trace-a', 'trace-b'], offset: 0, limit: 100 }
  expect(await ask(asked)).toMatchObject([{ taskId: 'a', traceIds: ['trace-a'], result: null }])
  expect(JSON.parse(seen[0]?.body.toString() ?? '')).toEqual({
    action: 'retrieve_batch',
    trace_ids: ['trace-a', 'trace-b'],
    offset: 0,
    limit: 100,
  })
  expect(await connected.filesIn(recordsFolder)).toEqual([])
})

test('a batch of many tasks with ten pictures each is no trouble', async () => {
  const items = Array.from({ length: 12 }, (_, index) => record(`t-${index}`, base64(randomBytes(400), 10)))
  const { ask, connected } = await answering(response => json(response, 200, { items }))
  expect(await ask({ taskIds: items.map(item => item.id) })).toHaveLength(12)
  expect(await connected.filesIn(recordsFolder)).toHaveLength(120)
})

test('an answer that is larger than may be is asked for in halves, and only what is too large alone is out of reach', async () => {
  const sizes: Record<string, number> = { a: 20_000, b: 20_000, c: 90_000, d: 20_000 }
  const { ask } = await answering((response, query) => {
    const ids =
      (query['ids'] as string[] | undefined) ?? Object.keys(sizes).slice(Number(query['offset'])).slice(0, Number(query['limit']))
    json(response, 200, { items: ids.map(id => record(id, base64(Buffer.alloc(sizes[id] ?? 0)))) })
  }, 60_000)
  expect((await ask({ taskIds: ['a', 'b', 'c', 'd'] })).map(one => one.taskId)).toEqual(['a', 'b', 'd'])
  expect((await ask({ ...range, limit: 4 })).map(one => one.taskId)).toEqual(['a', 'b', 'd'])
  await expect(ask({ taskIds: ['c'] })).rejects.toThrow('60000 bytes')
})

test.each<[string, (response: ServerResponse) => void, string]>([
  [
    'an error',
    response => json(response, 429, { error: { code: 'too_many_requests', message: 'slow down' } }),
    'HTTP 429 too_many_requests',
  ],
  ['an error with pictures in it', response => json(response, 500, base64(Buffer.from('x'))), 'HTTP 500'],
  ['HTML', response => response.end('<html>'), 'not JSON'],
  ['a connection that breaks off', response => response.socket?.resetAndDestroy(), ''],
])('%s for an answer is thrown, and leaves nothing', async (_name, answer, message) => {
  const { ask, connected } = await answering(answer)
  await expect(ask({ taskIds: ['a'] })).rejects.toThrow(message)
  expect(await connected.filesIn(recordsFolder)).toEqual([])
})

test('asking can be called off', async () => {
  const { connected, seen } = await answering(() => {})
  const stop = new AbortController()
  const asked = connected.provider.records({ taskIds: ['a'] }, stop.signal)
  stop.abort(new Error('stopping'))
  await expect(asked).rejects.toThrow('stopping')
  expect(seen).toEqual([])
})
