import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { testClock } from '../support/clock.ts'
import { testFolder } from '../support/folder.ts'
import { type Running, startTestService } from '../support/service.ts'
import { accepted, body, leave, logged, path, post, send } from './edits.ts'
import { until } from './refusals.ts'
import { head } from './wire.ts'

/* Clients that ask again without saying so: no key, no count, nothing but the same request. So do the provider's own SDKs. */

const charges = (service: Running): number => service.sandbox?.charges ?? -1
const zero = { 'x-stainless-retry-count': '0' }

/** A client that leaves what comes unread, on a connection of its own. */
function askUnread(service: Running, content: string) {
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1').pause()
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  const headers = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(content)) }
  socket.write(`${head(`POST ${path}`, headers)}${content}`)
  return socket
}

/** How many edits were answered, as far as our side can tell. */
function countEdits() {
  let count = 0
  return {
    onAnswered: (fields: object) => void (count += 'route' in fields && fields.route === path ? 1 : 0),
    answered: () => count,
  }
}

test.for([
  ['no header', {}],
  ['a count of 0', zero],
] as const)('a request that is sent again with %s, because its connection broke, gets its first job', async ([, headers]) => {
  const service = await startTestService({ SANDBOX_DELAY_MS: '1000' })
  const content = await body()
  await leave(service, content)
  await leave(service, content)
  const answer = await post(service, content, headers)
  expect(answer).toMatchObject({ status: 200, jobId: accepted(service)[0] })
  expect(answer.headers.get('idempotent-replayed')).toBe('true')
  expect(charges(service)).toBe(1)
  // It was given: the same request is a new order now.
  expect((await post(service, content, headers)).jobId).not.toBe(answer.jobId)
  expect(charges(service)).toBe(2)
})

test('one that comes ten minutes after the connection broke is a new order', async () => {
  const clock = testClock()
  const service = await startTestService({ SANDBOX_DELAY_MS: '1' }, { clock })
  const content = await body()
  await leave(service, content)
  await clock.advance(600_000)
  const later = post(service, content)
  await until(() => accepted(service).length === 2)
  expect((await later).jobId).toBe(accepted(service)[1])
})

test('two who ask the same, and whose connections live, get a job each, and nobody is cut off', async () => {
  const service = await startTestService({ SANDBOX_DELAY_MS: '500' })
  const content = await body()
  const answers = await Promise.all([post(service, content), post(service, content, zero)])
  expect(answers.map(one => one.status)).toEqual([200, 200])
  expect(new Set(answers.map(one => one.jobId)).size).toBe(2)
  expect(charges(service)).toBe(2)
})

test('a retry that says so joins a connection that still waits: both are answered, nothing is charged twice', async () => {
  const service = await startTestService({ SANDBOX_DELAY_MS: '500' })
  const content = await body()
  const first = post(service, content)
  await until(() => charges(service) === 1)
  const second = post(service, content, { 'x-stainless-retry-count': '1' })
  const answers = await Promise.all([first, second])
  expect(answers.map(one => [one.status, one.jobId, one.headers.get('idempotent-replayed')])).toEqual([
    [200, accepted(service)[0], null],
    [200, accepted(service)[0], 'true'],
  ])
  expect(charges(service)).toBe(1)
})

test('a refusal that was lost on its way is no reason not to try anew', async () => {
  const service = await startTestService()
  const content = await body({ prompt: 'fault:moderation' })
  const socket = askUnread(service, JSON.stringify(content))
  await until(() => service.sandbox?.submits.length === 1)
  socket.resetAndDestroy()
  await until(() => logged(service, 'answer.not_taken') + logged(service, 'client.gone') > 0)
  expect(await post(service, content)).toMatchObject({ status: 403, code: 'forbidden' })
  expect(service.sandbox?.submits).toHaveLength(2)
})

test('an answer that lay unread for 7 s when its client gave up was not delivered', async () => {
  const clock = testClock()
  const { onAnswered, answered } = countEdits()
  const service = await startTestService({ SANDBOX_DELAY_MS: '0' }, { clock, onAnswered })
  const content = await body()
  const socket = askUnread(service, JSON.stringify(content))
  await until(() => answered() === 1)
  await clock.advance(7_000)
  socket.destroy()
  await until(() => logged(service, 'answer.not_taken') === 1)
  const again = post(service, content)
  expect(await again).toMatchObject({ status: 200, jobId: accepted(service)[0] })
  expect(charges(service)).toBe(1)
})

test('an answer that is read late is delivered all the same', async () => {
  const clock = testClock()
  const { onAnswered, answered } = countEdits()
  const service = await startTestService({ SANDBOX_DELAY_MS: '0' }, { clock, onAnswered })
  const content = await body()
  const socket = askUnread(service, JSON.stringify(content))
  await until(() => answered() === 1)
  await clock.advance(20_000)
  socket.resume()
  await new Promise(resolve => socket.once('close', resolve))
  const again = post(service, content)
  expect((await again).jobId).not.toBe(accepted(service)[0])
  expect(logged(service, 'answer.not_taken')).toBe(0)
})

test('a client that neither reads nor closes for a minute has not taken its answer', async () => {
  const clock = testClock()
  const { onAnswered, answered } = countEdits()
  const service = await startTestService({ SANDBOX_DELAY_MS: '0' }, { clock, onAnswered })
  askUnread(service, JSON.stringify(await body()))
  await until(() => answered() === 1)
  await clock.advance(59_000)
  expect(logged(service, 'answer.not_taken')).toBe(0)
  await clock.advance(2_000)
  await until(() => logged(service, 'answer.not_taken') === 1)
})

test('without keys only the same address gets the job again', async () => {
  const service = await startTestService({ SANDBOX_DELAY_MS: '200', TRUST_PROXY: '127.0.0.1' })
  const content = await body()
  await leave(service, content, { 'x-forwarded-for': '203.0.113.7' })
  const other = await post(service, content, { 'x-forwarded-for': '203.0.113.8' })
  expect(other.jobId).not.toBe(accepted(service)[0])
  const same = await post(service, content, { 'x-forwarded-for': '203.0.113.7' })
  expect(same.jobId).toBe(accepted(service)[0])
  expect(charges(service)).toBe(2)
})

test('a stream that broke off, and one that ended at the limit, are claimed as well', async () => {
  const service = await startTestService({ SANDBOX_DELAY_MS: '1500', ANSWER_WITHIN_S: '1' })
  const content = await body({ stream: true })
  await leave(service, content)
  const limit = await (await send(service, content)).text()
  expect(limit).toMatch(/event: error\ndata: .*"code":"timeout"/)
  const last = await (await send(service, content)).text()
  expect(last).toMatch(/event: image_edit.completed/)
  expect(charges(service)).toBe(1)
})

test('after a proper stop and a start the job is claimed by whoever was waiting', async () => {
  const settings = { DATA_DIR: await testFolder(), SANDBOX_DELAY_MS: '100', API_KEYS: 'web:web-secret' }
  const key = { authorization: 'Bearer web-secret' }
  const service = await startTestService(settings)
  const content = await body({ prompt: 'fault:empty' })
  const first = post(service, content, key)
  await until(() => charges(service) === 1)
  await service.close(5_000)
  expect(await first).toMatchObject({ status: 504, code: 'timeout', jobId: accepted(service)[0] })
  const again = await startTestService({ ...settings, ANSWER_WITHIN_S: '1' })
  expect(await post(again, content, key)).toMatchObject({ status: 504, jobId: accepted(service)[0] })
  expect(charges(again)).toBe(0)
})

test('a held connection is asked whether its client is still there, so that one that died without a word is noticed', async () => {
  const service = await startTestService()
  const socket = askUnread(service, JSON.stringify(await body({ prompt: 'fault:empty' })))
  await until(() => charges(service) === 1)
  const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0')
  const [ours, theirs] = [hex(Number(new URL(service.url).port)), hex(socket.localPort ?? 0)]
  // sl local_address rem_address st tx_queue:rx_queue tr:tm->when …: 2 is the timer of keep-alive.
  const timerOf = (): string | undefined =>
    new RegExp(`0100007F:${ours} 0100007F:${theirs} 01 \\S+ (\\d\\d):`).exec(readFileSync('/proc/net/tcp', 'utf8'))?.[1]
  await until(() => timerOf() === '02')
})

test('claims are counted', async () => {
  const service = await startTestService({ ADMIN_KEY: 'key-of-admin', SANDBOX_DELAY_MS: '200' })
  const content = await body()
  await leave(service, content)
  await post(service, content)
  const figures = await (await service.call('/metrics', { headers: { authorization: 'Bearer key-of-admin' } })).text()
  expect(figures).toContain('darkroom_claims_total{kind="unmarked"} 1\n')
  expect(figures).toContain('darkroom_claims_total{kind="joined"} 0\n')
})
