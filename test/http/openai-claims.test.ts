import { createServer } from 'node:http'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { testClock } from '../support/clock.ts'
import { testFolder } from '../support/folder.ts'
import { picture } from '../support/pictures.ts'
import { startTestService } from '../support/service.ts'
import { accepted, body, leave, logged, path, post, retry, send } from './edits.ts'
import { until } from './refusals.ts'
import { head } from './wire.ts'

test('after a restart a retry still gets the first request’s job', async () => {
  const settings = { DATA_DIR: await testFolder(), SANDBOX_DELAY_MS: '50' }
  const service = await startTestService(settings)
  const content = await body()
  await leave(service, content)
  const [first] = accepted(service)
  await service.ended(first ?? '')
  await service.close(5_000)
  const again = await startTestService(settings)
  expect(await post(again, content, retry)).toMatchObject({ status: 200, jobId: first })
  expect(again.sandbox?.charges).toBe(0)
})

test('a retry that goes away as well leaves the job to the next one', async () => {
  const service = await startTestService({ SANDBOX_DELAY_MS: '1000' })
  const content = await body()
  await leave(service, content)
  await leave(service, content, retry)
  expect(await post(service, content, retry)).toMatchObject({ status: 200, jobId: accepted(service)[0] })
  expect(service.sandbox?.charges).toBe(1)
})

test('a retry under another key, or of another request, claims nothing', async () => {
  const service = await startTestService({ API_KEYS: 'web:web-secret,app:app-secret', SANDBOX_DELAY_MS: '50' })
  const content = await body()
  await leave(service, content, { authorization: 'Bearer web-secret' })
  await post(service, content, { authorization: 'Bearer app-secret', ...retry })
  await post(service, { ...content, prompt: 'darker' }, { authorization: 'Bearer web-secret', ...retry })
  expect(logged(service, 'job.claimed_by_retry')).toBe(0)
  expect(service.sandbox?.charges).toBe(3)
})

test('an answer that its client never read whole does not count as delivered', async () => {
  const service = await startTestService()
  const content = JSON.stringify(await body({ response_format: 'b64_json' }))
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1')
  const headers = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(content)) }
  socket.write(`${head(`POST ${path}`, headers)}${content}`)
  // Not reading at all: what was sent to it lies in the network's buffers when it gives up.
  socket.pause()
  await until(() => accepted(service).length > 0)
  const [first] = accepted(service)
  await service.ended(first ?? '')
  await new Promise(resolve => socket.once('readable', resolve))
  socket.resetAndDestroy()
  await until(() => logged(service, 'answer.not_taken') + logged(service, 'client.gone') > 0)
  expect(await post(service, JSON.parse(content) as object, retry)).toMatchObject({ status: 200, jobId: first })
  expect(service.sandbox?.charges).toBe(1)
})

test('an error that was delivered is the end of its job: a retry of it is a job of its own', async () => {
  const service = await startTestService()
  const content = await body({ prompt: 'fault:failed' })
  const first = await post(service, content)
  const second = await post(service, content, retry)
  expect([first.status, second.status]).toEqual([424, 424])
  expect(second.jobId).not.toBe(first.jobId)
})

test('a job under an Idempotency-Key belongs to that key alone', async () => {
  const service = await startTestService({ SANDBOX_DELAY_MS: '1000' })
  const content = await body()
  const key = { 'idempotency-key': 'order-7' }
  await leave(service, content, key)
  const second = post(service, content, key)
  const third = post(service, content, retry)
  expect((await second).jobId).toBe(accepted(service)[0])
  expect((await third).jobId).not.toBe((await second).jobId)
  expect(service.sandbox?.charges).toBe(2)
  // And a key of its own says by itself that it is no retry of another's.
  await leave(service, content)
  const jobs = accepted(service)
  const fourth = await post(service, content, { ...retry, 'idempotency-key': 'order-8' })
  expect(jobs).not.toContain(fourth.jobId)
})

test('a task that is started at once and whose id never arrived is found by the retry', async () => {
  const service = await startTestService({ SUBMIT_TIMEOUT_MS: '1500', WEBHOOK_ALLOW_PRIVATE: 'true' })
  const content = await body({ prompt: 'fault:hang', async: true })
  await leave(service, content)
  const again = await send(service, content, retry)
  const { task_id: taskId } = (await again.json()) as { task_id: string }
  expect(await (await service.call(`/jobs/${taskId}`)).json()).toMatchObject({ id: accepted(service)[0] })
  expect(service.sandbox?.charges).toBe(1)
  // One that asks to be called back elsewhere is another request.
  const elsewhere = await send(service, { ...content, callback_url: 'http://127.0.0.1:9/' }, retry)
  expect(elsewhere.status).toBe(200)
  expect(accepted(service)).toHaveLength(2)
})

test('what is not there in 280 s is a 504 that names the job, and its retry waits for the same job', async () => {
  const clock = testClock()
  const service = await startTestService({}, { clock })
  const content = await body({ prompt: 'fault:empty' })
  const at280 = async (headers: Record<string, string>) => {
    const claims = logged(service, 'job.claimed_by_retry') + accepted(service).length
    let over = false
    const answer = post(service, content, headers).finally(() => {
      over = true
    })
    await until(
      () => logged(service, 'job.claimed_by_retry') + accepted(service).length > claims && service.sandbox?.charges === 1,
    )
    const startedAt = clock.now()
    while (!over && clock.now() < startedAt + 400_000) {
      await clock.advance(1_000)
      await service.call('/healthz')
    }
    expect(clock.now() - startedAt).toBeGreaterThanOrEqual(279_000)
    expect(clock.now() - startedAt).toBeLessThan(290_000)
    return answer
  }
  const first = await at280({})
  expect(first).toMatchObject({ status: 504, code: 'timeout', jobId: accepted(service)[0] })
  expect(first.headers.get('x-should-retry')).toBeNull()
  expect(await at280(retry)).toMatchObject({ status: 504, code: 'timeout', jobId: first.jobId })
  expect(service.sandbox?.charges).toBe(1)
})

test('what may have been charged is not asked for again by itself', async () => {
  const service = await startTestService()
  const answer = await post(service, await body({ prompt: 'fault:empty', timeout_s: 1 }))
  expect(answer).toMatchObject({ status: 424, code: 'expired' })
  expect(answer.headers.get('x-should-retry')).toBe('false')
})

test('a client that has gone before its job was made is not charged', async () => {
  let asked = (): void => {}
  let release = (): void => {}
  const wasAsked = new Promise<void>(resolve => {
    asked = resolve
  })
  const bytes = await picture()
  const server = createServer((_request, response) => {
    release = () => response.end(bytes)
    asked()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const service = await startTestService({ FETCH_ALLOW_PRIVATE: 'true' })
  const gone = new AbortController()
  const first = send(service, await body({ image: `http://127.0.0.1:${port}/a.png` }), {}, gone.signal)
  await wasAsked
  gone.abort()
  await expect(first).rejects.toThrow()
  await until(() => logged(service, 'client.gone') === 1)
  release()
  // The same request again is fetched and made after it: by then the first has come to its end.
  const second = send(service, await body())
  expect((await second).status).toBe(200)
  expect(service.sandbox?.charges).toBe(1)
  expect(accepted(service)).toHaveLength(1)
})

test('a stream says something every 15 s', async () => {
  const clock = testClock()
  const service = await startTestService({}, { clock })
  const answer = await send(service, await body({ prompt: 'fault:empty', stream: true }))
  expect(answer.headers.get('x-request-id')).toMatch(/^req_/)
  const reader = answer.body?.getReader()
  for (let count = 0; count < 3; count += 1) {
    await clock.advance(15_000)
    expect(Buffer.from((await reader?.read())?.value ?? '').toString()).toBe(':\n\n')
  }
  await reader?.cancel()
})
