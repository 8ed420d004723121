import { describe, expect, test } from 'vitest'
import {
  askTasks,
  dig,
  onlyRecord,
  openReceiver,
  openSandbox,
  plain,
  postJson,
  submitFile,
  submitJson,
  textAt,
} from './setting.ts'

const uuid = expect.stringMatching(/^[0-9a-f-]{36}$/)

/** 15 tasks, a second apart, the first of them at 1,000 s. */
async function openWithTasks() {
  let seconds = 999
  const sandbox = await openSandbox({ now: () => seconds * 1000 })
  for (let index = 0; index < 15; index += 1) {
    seconds += 1
    await submitFile(sandbox, { async: 'true', prompt: 'fault:empty' })
  }
  return { sandbox, ids: sandbox.submits.map(submit => submit.taskId ?? '') }
}

function idsOf(page: unknown): unknown[] {
  return Object.values(Object(dig(page, 'items'))).map(record => dig(record, 'id'))
}

describe('one record', () => {
  test('of a task that is over has what was submitted, and the flat result', async () => {
    const [sandbox, receiver] = [await openSandbox(), await openReceiver()]
    const image = await plain(4, 4)
    await submitFile(sandbox, { image, mask: image, quality: 'high', callback_url: `${receiver.url}/cb` })
    await sandbox.settled()
    const id = sandbox.submits[0]?.taskId
    const request = { model: 'gpt-image-2', prompt: 'make it dark', quality: 'high', callback_url: `${receiver.url}/cb` }
    const time = expect.any(Number)
    expect(await askTasks(sandbox, { action: 'retrieve', id })).toEqual({
      id,
      _id: id,
      type: 'images',
      trace_id: uuid,
      request: { ...request, image: '<file>', mask: '<file>' },
      response: {
        success: true,
        task_id: id,
        trace_id: uuid,
        created: time,
        data: [{ revised_prompt: 'make it dark', url: expect.any(String) }],
        elapsed: time,
      },
      created_at: time,
      started_at: time,
      finished_at: time,
      elapsed: time,
    })
  })

  test('of a task that is running has no response and no end', async () => {
    const sandbox = await openSandbox({ delayMs: 60_000 })
    await submitJson(sandbox, { image: ['http://127.0.0.1:1/a', 'http://127.0.0.1:1/b'], async: true, n: 1 })
    expect(await onlyRecord(sandbox)).toMatchObject({
      request: { image: ['http://127.0.0.1:1/a', 'http://127.0.0.1:1/b'], async: true, n: 1 },
      response: null,
      finished_at: null,
    })
  })

  test('of a task that failed has the failure', async () => {
    const sandbox = await openSandbox()
    await submitFile(sandbox, { async: 'true', image: Buffer.from('hello') })
    await sandbox.settled()
    const record = await onlyRecord(sandbox)
    expect(record).toMatchObject({
      response: { success: false, error: { code: 'bad_request' } },
      finished_at: expect.any(Number),
    })
  })

  test('of a model with base64 has it in the flat shape', async () => {
    const sandbox = await openSandbox()
    await submitFile(sandbox, { model: 'gpt-image-1', async: 'true' })
    await sandbox.settled()
    expect(await onlyRecord(sandbox)).toMatchObject({ response: { success: true, data: [{ b64_json: expect.any(String) }] } })
  })

  test('is found by its trace_id too', async () => {
    const sandbox = await openSandbox()
    const traceId = textAt(await (await submitFile(sandbox, {})).json(), 'trace_id')
    const record = await askTasks(sandbox, { action: 'retrieve', trace_id: traceId })
    expect(record).toMatchObject({ id: sandbox.submits[0]?.taskId, trace_id: traceId })
  })

  test('of an unknown id is an empty object', async () => {
    const sandbox = await openSandbox()
    const response = await postJson(`${sandbox.baseUrl}/openai/tasks`, { action: 'retrieve', id: 'nobody' })
    expect([response.status, await response.json()]).toEqual([200, {}])
  })
})

describe('many records', () => {
  test('come twelve at a time, the newest first, with the number of all', async () => {
    const { sandbox, ids } = await openWithTasks()
    const newestFirst = ids.toReversed()
    const page = await askTasks(sandbox, { action: 'retrieve_batch' })
    expect([idsOf(page), dig(page, 'count')]).toEqual([newestFirst.slice(0, 12), 15])
    const next = await askTasks(sandbox, { action: 'retrieve_batch', offset: 12, limit: 2 })
    expect([idsOf(next), dig(next, 'count')]).toEqual([newestFirst.slice(12, 14), 15])
  })

  test('are found by ids, by trace_ids, by both together; unknown ones are left out', async () => {
    const { sandbox, ids } = await openWithTasks()
    const [first = '', second = ''] = ids
    const traceId = dig(await askTasks(sandbox, { action: 'retrieve', id: second }), 'trace_id')
    expect(await askTasks(sandbox, { action: 'retrieve_batch', ids: [first, 'nobody'] })).toMatchObject({
      items: [{ id: first }],
      count: 1,
    })
    expect(await askTasks(sandbox, { action: 'retrieve_batch', trace_ids: [traceId] })).toMatchObject({
      items: [{ id: second }],
      count: 1,
    })
    expect(idsOf(await askTasks(sandbox, { action: 'retrieve_batch', ids: [first], trace_ids: [traceId] }))).toEqual([
      second,
      first,
    ])
    expect(await askTasks(sandbox, { action: 'retrieve_batch', ids: [] })).toEqual({ items: [], count: 0 })
  })

  test('are found by when they were created, in seconds, and by type', async () => {
    const { sandbox, ids } = await openWithTasks()
    const between = await askTasks(sandbox, {
      action: 'retrieve_batch',
      created_at_min: 1002,
      created_at_max: 1004,
      type: 'images',
    })
    expect(idsOf(between)).toEqual([ids[4], ids[3], ids[2]])
    expect(await askTasks(sandbox, { action: 'retrieve_batch', type: 'audio' })).toEqual({ items: [], count: 0 })
  })
})

describe('a record', () => {
  test.each([
    ['gpt-image-2', 'images'],
    ['gpt-image-1', 'images_edits'],
    ['gpt-image-1.5', 'images_edits'],
    ['dall-e-2', 'images_edits'],
    ['nano-banana', 'images_generations'],
    ['some-other', 'images'],
  ])('of %s is of type %s, and is found by no other', async (model, type) => {
    const sandbox = await openSandbox()
    await submitFile(sandbox, { model, async: 'true' })
    const id = sandbox.submits[0]?.taskId
    expect(await onlyRecord(sandbox)).toMatchObject({ type })
    for (const asked of ['images', 'images_edits', 'images_generations'])
      expect(idsOf(await askTasks(sandbox, { action: 'retrieve_batch', type: asked }))).toEqual(asked === type ? [id] : [])
  })

  test('has the trace id that was submitted, which decides beside an id, and no action means retrieve', async () => {
    const sandbox = await openSandbox()
    await submitFile(sandbox, { async: 'true', trace_id: 'order-1' })
    await submitFile(sandbox, { async: 'true' })
    const [first, second] = sandbox.submits
    expect([first?.traceId, second?.traceId]).toEqual(['order-1', null])
    const record = { id: first?.taskId, trace_id: 'order-1', request: { trace_id: 'order-1' } }
    expect(await askTasks(sandbox, { trace_id: 'order-1' })).toMatchObject(record)
    expect(await askTasks(sandbox, { id: second?.taskId, trace_id: 'order-1' })).toMatchObject(record)
    expect(await askTasks(sandbox, { id: second?.taskId })).toMatchObject({ id: second?.taskId })
  })

  test('may have a trace id of its own all the same', async () => {
    const sandbox = await openSandbox()
    await submitFile(sandbox, { prompt: 'fault:own-trace', async: 'true', trace_id: 'order-1' })
    expect(await onlyRecord(sandbox)).toMatchObject({ trace_id: uuid })
    expect(dig(await onlyRecord(sandbox), 'request')).not.toHaveProperty('trace_id')
  })

  test('may leave out the callback URL', async () => {
    const [sandbox, receiver] = [await openSandbox(), await openReceiver()]
    await submitFile(sandbox, { prompt: 'fault:bare-record', callback_url: `${receiver.url}/cb` })
    await sandbox.settled()
    expect(receiver.arrivals).toHaveLength(1)
    expect(dig(await onlyRecord(sandbox), 'request')).toEqual({
      model: 'gpt-image-2',
      prompt: 'fault:bare-record',
      image: '<file>',
    })
  })

  test('may be as older pages have it', async () => {
    const sandbox = await openSandbox()
    await submitFile(sandbox, { prompt: 'fault:old-record', async: 'true' })
    await sandbox.settled()
    const record = await onlyRecord(sandbox)
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
    expect(record).toMatchObject({ started_at: time, finished_at: time, duration: expect.any(Number) })
    expect(record).not.toHaveProperty('elapsed')
  })
})

test.each([
  {},
  { action: 'delete', id: 'x' },
  { action: 'retrieve' },
  { action: 'retrieve', id: 7 },
  { action: 'retrieve_batch', ids: 'x' },
  { action: 'retrieve_batch', ids: [1] },
  { action: 'retrieve_batch', limit: -1 },
  { action: 'retrieve_batch', offset: 'x' },
  { action: 'retrieve_batch', created_at_min: 'yesterday' },
])('%j is refused', async body => {
  const sandbox = await openSandbox()
  const response = await postJson(`${sandbox.baseUrl}/openai/tasks`, body)
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ success: false, error: { code: 'bad_request' } })
})

test('tasks that are more than an hour old are forgotten, with their pictures', async () => {
  let now = 0
  const sandbox = await openSandbox({ now: () => now })
  const url = textAt(await (await submitFile(sandbox, {})).json(), 'data', 0, 'url')
  await sandbox.settled()
  expect((await fetch(url)).status).toBe(200)
  now = 3_600_001
  await submitFile(sandbox, { async: 'true' })
  expect(await askTasks(sandbox, { action: 'retrieve', id: sandbox.submits[0]?.taskId })).toEqual({})
  expect((await fetch(url)).status).toBe(404)
})
