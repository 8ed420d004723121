import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { dataUrl, picture } from '../support/pictures.ts'
import { type Running, startTestService } from '../support/service.ts'
import { aRequest, becomes, callBack, failure, filesOf, jobOf, picturesAt, read, submitted, until } from './setting.ts'

const result = picturesAt('http://127.0.0.1:1/a.png')
const base64 = (bytes: Buffer) => ({
  success: true,
  task_id: 't-1',
  data: { created: 0, data: [{ b64_json: bytes.toString('base64') }] },
})

type Noted = { outcome: string; bytes: number; body: unknown }
const callbacksOf = async (service: Running, jobId: string): Promise<Noted[]> =>
  ((await (await service.call(`/jobs/${jobId}/callbacks`)).json()) as { data: Noted[] }).data

test.each(['gpt-image-1', 'gpt-image-2'])(
  'a callback that beats the submit’s answer is kept, and the answer changes nothing (%s)',
  async model => {
    const service = await startTestService()
    const job = await jobOf(service.submit({ prompt: 'fault:early', model, image: dataUrl(await picture()) }))
    expect(job).toMatchObject({ status: 'succeeded', tasks: [{ source: 'callback', attempts: 1 }] })
    expect(job.task_id).toBe(service.sandbox?.submits[0]?.taskId)
    expect(job.result?.data).toHaveLength(1)
    expect(service.sandbox?.charges).toBe(1)
  },
)

test('a callback that is doubled counts once, and the second picture is not kept', async () => {
  const service = await startTestService()
  const job = await jobOf(service.submit({ prompt: 'fault:doubled', model: 'gpt-image-1', image: dataUrl(await picture()) }))
  const ended = await service.ended(job.id)
  await service.sandbox?.settled()
  expect(service.sandbox?.callbacks.map(one => one.status)).toEqual([200, 200])
  expect(await callbacksOf(service, job.id)).toMatchObject([{ outcome: 'applied' }, { outcome: 'duplicate' }])
  expect(await read(service, job.id)).toEqual(ended)
  expect((await filesOf(service)).filter(name => name.includes('/out-'))).toHaveLength(1)
})

test('when the answer to a callback is there, its result shows with all that is known of it', async () => {
  const { service, job, sent } = await submitted()
  const bytes = await picture({ width: 50, height: 20 })
  expect(await callBack(service, sent, base64(bytes))).toBe(200)
  const { result: shown } = await read(service, job.id)
  expect(shown?.data).toMatchObject([
    { bytes: bytes.length, width: 50, height: 20, content_type: 'image/png', provider_url: null },
  ])
  const [noted] = await callbacksOf(service, job.id)
  expect(noted?.outcome).toBe('applied')
  expect(JSON.stringify(noted?.body)).not.toContain(bytes.toString('base64').slice(0, 40))
})

describe('a result that comes late is kept beside the final state', () => {
  test('after a cancel', async () => {
    const { service, job, sent } = await submitted()
    await service.call(`/jobs/${job.id}/cancel`, { method: 'POST' })
    expect(await callBack(service, sent, base64(await picture()))).toBe(200)
    expect(await callBack(service, sent, base64(await picture()))).toBe(200)
    expect(await read(service, job.id)).toMatchObject({ status: 'canceled', result: null, cost: { billable: 'yes' } })
    expect((await read(service, job.id)).late_result?.data).toHaveLength(1)
    expect((await callbacksOf(service, job.id)).map(one => one.outcome)).toEqual(['late', 'duplicate'])
    expect(await filesOf(service)).toHaveLength(1)
  })

  test('after the deadline', async () => {
    const { clock, service, job, sent } = await submitted({}, { timeout_s: 60 })
    await clock.advance(60_000)
    await becomes(service, job.id, one => one.status === 'expired')
    expect(await callBack(service, sent, result)).toBe(200)
    expect(await read(service, job.id)).toMatchObject({
      status: 'expired',
      late_result: { data: [{}] },
      cost: { billable: 'yes' },
    })
  })

  test('after a failure', async () => {
    const { service, job, sent } = await submitted()
    await callBack(service, sent, failure('api_error'))
    expect(await read(service, job.id)).toMatchObject({ status: 'failed', cost: { billable: 'no' } })
    await callBack(service, sent, result)
    expect(await read(service, job.id)).toMatchObject({
      status: 'failed',
      late_result: { data: [{}] },
      cost: { billable: 'yes' },
    })
  })

  test('a late failure tells that nothing is billed', async () => {
    const { service, job, sent } = await submitted()
    await service.call(`/jobs/${job.id}/cancel`, { method: 'POST' })
    expect(await callBack(service, sent, failure('api_error'))).toBe(200)
    expect(await read(service, job.id)).toMatchObject({ status: 'canceled', error: null, cost: { billable: 'no' } })
  })
})

test('a failure is not tried again by itself', async () => {
  const { clock, provider, service, sent } = await submitted()
  await callBack(service, sent, failure('api_error'))
  await clock.advance(300_000)
  await jobOf(service.submit(aRequest))
  expect(provider.submits).toHaveLength(2)
})

describe('what can’t be read is kept to be looked at', () => {
  test('and a result that comes after it is taken', async () => {
    const bodies = [
      '{"success":true,"data":[{"url":"http',
      '{"hello":"world"}',
      JSON.stringify({ preview: { b64_json: Buffer.from('x').toString('base64') } }),
      '',
      '<html>',
    ]
    const { service, job, sent } = await submitted()
    for (const body of bodies) expect([body, await callBack(service, sent, body)]).toEqual([body, 400])
    const expected = bodies.map(body => ({ outcome: 'malformed', bytes: Buffer.byteLength(body) }))
    expect(await callbacksOf(service, job.id)).toMatchObject(expected)
    expect(await read(service, job.id)).toMatchObject({ status: 'processing' })
    expect(await filesOf(service)).toEqual(bodies.map(() => expect.stringContaining(`${job.id}/bad-`)))
    expect(await callBack(service, sent, result)).toBe(200)
    expect(await read(service, job.id)).toMatchObject({ status: 'succeeded' })
  })

  test('its first 64 kB, and no more', async () => {
    const { service, job, sent } = await submitted()
    const body = `{"not":"json" ${'x'.repeat(200_000)}`
    expect(await callBack(service, sent, body)).toBe(400)
    const [name = ''] = await filesOf(service)
    expect(name).toMatch(new RegExp(`^${job.id}/bad-`))
    expect(await readFile(join(service.dataDir, 'jobs', name), 'utf8')).toBe(body.slice(0, 65_536))
  })

  test('more than MAX_CALLBACK_BYTES', async () => {
    const { service, job, sent } = await submitted({ MAX_CALLBACK_BYTES: '1000' })
    expect(await callBack(service, sent, base64(Buffer.alloc(2_000)))).toBe(413)
    expect(await read(service, job.id)).toMatchObject({ status: 'processing' })
    expect((await filesOf(service)).filter(name => name.includes('/out-'))).toEqual([])
  })
})

test('a callback whose connection breaks leaves no picture, and has its task asked for at once', async () => {
  const { provider, service, job, sent } = await submitted()
  provider.records.push({ id: 't-1', response: result, finished_at: 1 })
  const { hostname, port } = new URL(service.url)
  const socket = connect(Number(port), hostname)
  const text = JSON.stringify(base64(Buffer.alloc(6_000_000, 7)))
  const path = new URL(sent.callbackUrl).pathname
  socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: ${text.length}\r\n\r\n${text.slice(0, 5_000_000)}`)
  await until(async () => (await filesOf(service)).length > 0)
  socket.resetAndDestroy()
  const ended = await becomes(service, job.id, one => one.status === 'succeeded')
  expect(ended).toMatchObject({ tasks: [{ source: 'poll' }] })
  expect(await callbacksOf(service, job.id)).toMatchObject([{ outcome: 'malformed' }])
  expect(await filesOf(service)).toEqual([])
})

test('a callback for a job that was deleted is a 404 that leaves nothing', async () => {
  const { service, job, sent } = await submitted()
  await service.call(`/jobs/${job.id}/cancel`, { method: 'POST' })
  expect((await service.call(`/jobs/${job.id}`, { method: 'DELETE' })).status).toBe(204)
  expect(await callBack(service, sent, base64(await picture()))).toBe(404)
  expect(await filesOf(service)).toEqual([])
})
