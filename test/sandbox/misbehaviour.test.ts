import { describe, expect, test } from 'vitest'
import type { FaultName } from '../../src/sandbox/sandbox.ts'
import { dig, onlyRecord, openReceiver, openSandbox, type Receiver, submitFile } from './setting.ts'

const picture = { success: true, data: [{ url: expect.any(String) }] }
const uuid = expect.stringMatching(/^[0-9a-f-]{36}$/)

/** Submits with a fault and a callback, and waits until all is over. */
async function submitWith(fault: string, receiver: Receiver, fields: Record<string, string> = {}) {
  const sandbox = await openSandbox({ slowMs: 300 })
  const submitted = submitFile(sandbox, { prompt: `dark fault:${fault}`, callback_url: receiver.url, ...fields })
  const response = await submitted.catch((error: unknown) => error)
  await sandbox.settled()
  return { sandbox, response: response instanceof Response ? response : null }
}

describe('callbacks that misbehave', () => {
  test('lost: none is sent, and the record has the result', async () => {
    const receiver = await openReceiver()
    const { sandbox } = await submitWith('lost', receiver)
    expect([receiver.arrivals, sandbox.callbacks]).toEqual([[], []])
    expect(await onlyRecord(sandbox)).toMatchObject({ response: picture })
  })

  test('doubled: the same is sent twice', async () => {
    const receiver = await openReceiver()
    const { sandbox } = await submitWith('doubled', receiver)
    expect(receiver.arrivals.map(arrival => arrival.text)).toEqual(Array(2).fill(receiver.arrivals[0]?.text))
    expect([sandbox.callbacks.length, sandbox.charges]).toEqual([2, 1])
  })

  test('late: it takes five times as long', async () => {
    const [sandbox, receiver] = [await openSandbox({ delayMs: 50, faults: ['late'] }), await openReceiver()]
    const before = performance.now()
    await submitFile(sandbox, { callback_url: receiver.url })
    await sandbox.settled()
    expect(performance.now() - before).toBeGreaterThan(245)
    expect(receiver.arrivals).toHaveLength(1)
  })

  test("early: it is answered before the submit's own answer", async () => {
    const order: string[] = []
    const receiver = await openReceiver((_, response) => {
      order.push('callback')
      response.end()
    })
    const sandbox = await openSandbox({ faults: ['early'] })
    const response = await submitFile(sandbox, { callback_url: receiver.url })
    order.push('answer')
    expect(order).toEqual(['callback', 'answer'])
    expect(sandbox.callbacks).toMatchObject([{ status: 200 }])
    expect(await response.json()).toEqual({ task_id: uuid })
  })

  test.each([
    ['gpt-image-2', { data: [{ url: expect.any(String) }] }],
    ['gpt-image-1', { data: { data: [{ b64_json: expect.any(String) }] } }],
  ])('slow: the body of %s trickles in, whole in the end', async (model, body) => {
    const receiver = await openReceiver()
    const before = performance.now()
    await submitWith('slow', receiver, { model })
    expect(performance.now() - before).toBeGreaterThan(295)
    expect(receiver.arrivals[0]?.chunks).toBeGreaterThan(10)
    expect(JSON.parse(receiver.arrivals[0]?.text ?? '')).toMatchObject(body)
  })

  test.each(['gpt-image-2', 'gpt-image-1'])('malformed: the body of %s is cut off', async model => {
    const receiver = await openReceiver()
    await submitWith('malformed', receiver, { model })
    const text = receiver.arrivals[0]?.text ?? ''
    expect(text).toMatch(/^\{"success":true,"task_id":/)
    expect(() => JSON.parse(text)).toThrow(SyntaxError)
  })

  test('b64: the result of any model is base64, nested', async () => {
    const receiver = await openReceiver()
    const { sandbox } = await submitWith('b64', receiver)
    const body: unknown = JSON.parse(receiver.arrivals[0]?.text ?? '')
    expect(body).toMatchObject({ data: { data: [{ b64_json: expect.any(String) }] } })
    const held: unknown = await (await submitFile(sandbox, { prompt: 'fault:b64' })).json()
    expect(held).toMatchObject({ data: [{ b64_json: expect.any(String) }] })
  })
})

describe('results that misbehave', () => {
  const message = 'the model could not edit this picture'

  test.each([
    ['failed', { code: 'api_error', message }],
    ['string-error', message],
  ])('%s: the result is a failure', async (fault, error) => {
    const receiver = await openReceiver()
    const { sandbox, response } = await submitWith(fault, receiver)
    const failure = { success: false, task_id: uuid, trace_id: uuid, error }
    expect(response?.status).toBe(200)
    expect(JSON.parse(receiver.arrivals[0]?.text ?? '')).toEqual(failure)
    expect(dig(await onlyRecord(sandbox), 'response')).toEqual(failure)
    const held = await submitFile(sandbox, { prompt: `fault:${fault}` })
    expect([held.status, await held.json()]).toEqual([500, failure])
  })

  test('empty: the record runs for ever, and nothing is pending', async () => {
    const receiver = await openReceiver()
    const { sandbox, response } = await submitWith('empty', receiver)
    expect(await response?.json()).toEqual({ task_id: uuid })
    expect(await onlyRecord(sandbox)).toMatchObject({ response: null, finished_at: null })
    expect([receiver.arrivals.length, sandbox.charges]).toEqual([0, 1])
  })

  test('inline: the whole result is the answer, and no callback is sent', async () => {
    const receiver = await openReceiver()
    const { sandbox, response } = await submitWith('inline', receiver)
    expect(await response?.json()).toMatchObject(picture)
    expect([receiver.arrivals.length, sandbox.charges]).toEqual([0, 1])
  })
})

test('usage: a result tells what it used and cost, in every shape', async () => {
  const receiver = await openReceiver()
  const sandbox = await openSandbox({ faults: ['usage'] })
  const report = { usage: { total_tokens: 4_370 }, cost: { amount: 0.37, currency: 'credit' } }
  for (const model of ['gpt-image-2', 'gpt-image-1', 'nano-banana']) {
    expect(await (await submitFile(sandbox, { model })).json()).toMatchObject(report)
    await submitFile(sandbox, { model, callback_url: receiver.url })
  }
  await sandbox.settled()
  for (const { text } of receiver.arrivals) expect(JSON.parse(text)).toMatchObject(report)
  expect(receiver.arrivals).toHaveLength(3)
})

describe('submits that are refused', () => {
  test.each([
    ['moderation', 403, 'forbidden'],
    ['used_up', 403, 'used_up'],
    ['bad_key', 401, 'invalid_token'],
    ['always-429', 429, 'too_many_requests'],
    ['always-500', 500, 'api_error'],
    ['503-used_up', 503, 'used_up'],
  ])('%s: %d %s, every time, and no charge', async (fault, status, code) => {
    const receiver = await openReceiver()
    const { sandbox, response } = await submitWith(fault, receiver)
    for (let again = 0; again < 3; again += 1) await submitFile(sandbox, { prompt: `dark fault:${fault}` })
    expect(response?.status).toBe(status)
    expect(response?.headers.get('retry-after')).toBe(status === 429 ? '1' : null)
    expect(await response?.json()).toEqual({ success: false, error: { code, message: expect.any(String) }, trace_id: uuid })
    expect(sandbox.submits.map(submit => [submit.taskId, submit.outcome])).toEqual([1, 2, 3, 4].map(() => [null, code]))
    expect([receiver.arrivals.length, sandbox.charges]).toEqual([0, 0])
  })

  test.each(['429', '500'])('%s: the first two of a prompt, then it is accepted', async fault => {
    const sandbox = await openSandbox()
    const statuses: number[] = []
    for (let attempt = 0; attempt < 4; attempt += 1) {
      statuses.push((await submitFile(sandbox, { prompt: `dark fault:${fault}`, async: 'true' })).status)
    }
    expect(statuses).toEqual([Number(fault), Number(fault), 200, 200])
    expect(sandbox.charges).toBe(2)
  })

  test('413: a page of HTML, as of a web server, and no charge', async () => {
    const sandbox = await openSandbox({ faults: ['413'] })
    const response = await submitFile(sandbox, {})
    expect([response.status, sandbox.charges]).toEqual([413, 0])
    expect(await response.text()).toMatch(/^<html>/)
  })

  test('redirect: a 302 that leads nowhere', async () => {
    const sandbox = await openSandbox({ faults: ['redirect'] })
    const response = await submitFile(sandbox, {})
    expect([response.redirected, response.status, sandbox.charges]).toEqual([true, 404, 0])
  })
})

describe('answers that misbehave, after a charge', () => {
  test.each<[FaultName, number | null, RegExp]>([
    ['reset', null, /^$/],
    ['502', 502, /^<html>/],
    ['garbage', 200, /^<html>/],
    ['timeout', 504, /"code":"timeout"/],
    ['503', 503, /"code":"api_error"/],
    ['429-taken', 429, /"task_id":"[0-9a-f-]{36}".*"too_many_requests"/],
  ])('%s: the answer is spoilt, and the task runs and calls back', async (fault, status, text) => {
    const receiver = await openReceiver()
    const { sandbox, response } = await submitWith(fault, receiver)
    expect(response?.status ?? null).toBe(status)
    expect((await response?.text()) ?? '').toMatch(text)
    expect(sandbox.submits).toMatchObject([{ taskId: uuid, outcome: 'accepted' }])
    expect(JSON.parse(receiver.arrivals[0]?.text ?? '')).toMatchObject(picture)
    expect(sandbox.charges).toBe(1)
  })

  test('hang: there is no answer, and the task runs and calls back', async () => {
    let answered = false
    const called = Promise.withResolvers<void>()
    const receiver = await openReceiver((_, response) => {
      response.end()
      called.resolve()
    })
    const sandbox = await openSandbox({ faults: [{ name: 'hang', probability: 1 }] })
    const gone = submitFile(sandbox, { callback_url: receiver.url }).then(
      () => (answered = true),
      () => 'cut off',
    )
    await called.promise
    await sandbox.settled()
    expect([answered, sandbox.charges, sandbox.callbacks.length]).toEqual([false, 1, 1])
    await sandbox.close()
    expect(await gone).toBe('cut off')
  })
})

test('a fault with a probability befalls only those that chance picks', async () => {
  const draws = [0.4, 0.6]
  const [sandbox, receiver] = [
    await openSandbox({ faults: [{ name: 'lost', probability: 0.5 }], random: () => draws.shift() ?? 1 }),
    await openReceiver(),
  ]
  await submitFile(sandbox, { callback_url: `${receiver.url}/first` })
  await submitFile(sandbox, { callback_url: `${receiver.url}/second` })
  await sandbox.settled()
  expect(receiver.arrivals.map(arrival => arrival.url)).toEqual(['/second'])
})
