import { describe, expect, test } from 'vitest'
import type { ErrorBody } from '../../src/http/errors.ts'
import { testClock } from '../support/clock.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { startTestService } from '../support/service.ts'
import {
  accept,
  aRequest,
  becomes,
  callBack,
  failure,
  fakeProvider,
  filesOf,
  jobOf,
  json,
  pictureServer,
  picturesAt,
  read,
  type Sent,
  startOn,
  until,
} from './setting.ts'

type Refused = ErrorBody & { job_id: string }

test('the 202 says what the provider calls the task, and where the job is', async () => {
  const provider = await fakeProvider()
  const service = await startOn(provider)
  const response = await service.submit(aRequest)
  expect(response.status).toBe(202)
  const job = await jobOf(response)
  expect(job).toMatchObject({ status: 'processing', task_id: 't-1', tasks: [{ task_id: 't-1', attempts: 1 }] })
  expect(response.headers.get('location')).toBe(job.urls.self)
  expect(response.headers.get('idempotent-replayed')).toBeNull()
})

test('three pictures of a model that makes one are three submits of one job', async () => {
  const provider = await fakeProvider()
  const service = await startOn(provider)
  const job = await jobOf(service.submit({ ...aRequest, n: 3 }))
  expect(new Set(job.tasks.map(task => task.task_id))).toEqual(new Set(['t-1', 't-2', 't-3']))
  expect(new Set(provider.submits.map(sent => sent.callbackUrl)).size).toBe(3)
  expect(provider.submits.map(sent => sent.fields['n'])).toEqual([undefined, undefined, undefined])
})

test('a result that comes with the answer is in the 202', async () => {
  const provider = await fakeProvider(({ response }) => json(response, 200, picturesAt('http://127.0.0.1:1/a.png')))
  const service = await startOn(provider)
  expect(await jobOf(service.submit(aRequest))).toMatchObject({ status: 'succeeded', tasks: [{ source: 'inline' }] })
})

describe('what the provider refuses for good is answered with its own error', () => {
  test('with the status that fits', async () => {
    const cases: readonly [number, string, number][] = [
      [400, 'bad_request', 400],
      [401, 'invalid_token', 502],
      [403, 'used_up', 402],
      [403, 'disabled', 403],
      [403, 'forbidden', 403],
      [404, 'no_api', 502],
      [422, 'strange', 400],
    ]
    const clock = testClock()
    const provider = await fakeProvider(({ response }, index) => {
      const [status, code] = cases[index] ?? [500, 'too many']
      json(response, status, failure(code))
    })
    const service = await startOn(provider, {}, { clock })
    for (const [index, [, code, answered]] of cases.entries()) {
      const response = await service.submit(aRequest)
      expect([code, response.status]).toEqual([code, answered])
      const body = (await response.json()) as Refused
      expect(body).toMatchObject({ error: { code, message: `it was ${code}` }, request_id: response.headers.get('x-request-id') })
      const job = await read(service, body.job_id)
      expect(job).toMatchObject({ status: 'failed', error: { code, trace_id: 'tr-1' }, cost: { billable: 'no' } })
      expect(provider.submits).toHaveLength(index + 1)
      // Some of them pause all submitting.
      await clock.advance(60_000)
    }
  })

  test('a redirect → 502', async () => {
    const provider = await fakeProvider(({ response }) => response.writeHead(302, { location: '/' }).end())
    const service = await startOn(provider)
    const response = await service.submit(aRequest)
    expect([response.status, ((await response.json()) as Refused).error.code]).toEqual([502, 'redirected'])
  })

  test('but where one of several submits was accepted, the job goes on', async () => {
    const provider = await fakeProvider((sent, index) =>
      index === 0 ? json(sent.response, 403, failure('forbidden')) : accept(sent, index),
    )
    const service = await startOn(provider)
    const job = await jobOf(service.submit({ ...aRequest, n: 2 }))
    expect(job.tasks.map(task => task.status).toSorted()).toEqual(['failed', 'submitted'])
    const accepted = await until(() => provider.submits[1])
    await callBack(service, accepted, picturesAt('http://127.0.0.1:1/a.png'))
    expect(await read(service, job.id)).toMatchObject({ status: 'succeeded', errors: [{ code: 'forbidden' }] })
  })
})

test('the answer waits for the slowest of several submits, but for 10 s at most', async () => {
  const clock = testClock()
  const provider = await fakeProvider((sent, index) => (index === 0 ? undefined : accept(sent, index)))
  const service = await startOn(provider, {}, { clock })
  let answered = false
  const job = jobOf(service.submit({ ...aRequest, n: 2 })).finally(() => {
    answered = true
  })
  await until(() => service.log.lines.some(line => line.event === 'task.submitted'))
  await clock.advance(9_999)
  expect(answered).toBe(false)
  await clock.advance(1)
  expect((await job).tasks.map(task => task.status).toSorted()).toEqual(['submitted', 'submitting'])
})

test('a job that has no place is answered at once', async () => {
  const provider = await fakeProvider(() => {})
  const service = await startOn(provider, { MAX_IN_FLIGHT: '1' })
  void service.submit(aRequest).catch(() => {})
  await until(() => provider.submits.length === 1)
  expect(await jobOf(service.submit(aRequest))).toMatchObject({ status: 'queued', task_id: null, tasks: [{ attempts: 0 }] })
})

describe('a URL for a model that only takes files', () => {
  const byUrl = (url: string) => ({ prompt: 'dark mode', model: 'gpt-image-1', image: url })

  test('is fetched before the 202, and sent as the file that it is', async () => {
    const bytes = await picture({ width: 40, height: 30 })
    const { url } = await pictureServer(response => response.end(bytes))
    const service = await startTestService({ FETCH_ALLOW_PRIVATE: 'true' })
    const job = await jobOf(service.submit(byUrl(url)))
    expect(job.inputs).toEqual([{ role: 'image', url, content_type: 'image/png', bytes: bytes.length }])
    expect(service.sandbox?.submits[0]?.images).toMatchObject([{ kind: 'file', bytes: bytes.length, contentType: 'image/png' }])
    expect(await service.ended(job.id)).toMatchObject({ status: 'succeeded', result: { data: [{ width: 40, height: 30 }] } })
  })

  test.each<[string, string, (url: string) => string, string]>([
    ['is not there', '404', url => url, 'answered 404'],
    ['is no picture', 'text', url => url, "isn't a PNG, JPEG or WebP"],
    ['is at nobody’s port', '', () => 'http://127.0.0.1:1/a.png', 'could not be reached'],
  ])('that %s is a 400 that names it, and leaves nothing', async (_name, what, change, reason) => {
    const { url } = await pictureServer(response => (what === '404' ? response.writeHead(404).end() : response.end('text')))
    const provider = await fakeProvider()
    const service = await startOn(provider)
    const headers = { 'idempotency-key': 'free' }
    const mixed = { ...byUrl(change(url)), image: [dataUrl(await picture()), change(url)] }
    const response = await service.submit(mixed, headers)
    expect(response.status).toBe(400)
    const { error } = (await response.json()) as Refused
    expect(error).toMatchObject({ code: 'invalid_request', param: 'image' })
    expect(error.message).toContain(`${change(url)} ${reason}`)
    expect(await filesOf(service)).toEqual([])
    expect((await service.submit(aRequest, headers)).status).toBe(202)
    expect(provider.submits.map(sent => sent.fields['model'])).toEqual(['gpt-image-2'])
  })

  test('at a private address is refused unless it is allowed', async () => {
    const { url, asked } = await pictureServer(response => response.end())
    const service = await startOn(await fakeProvider(), { FETCH_ALLOW_PRIVATE: 'false' })
    const response = await service.submit(byUrl(url))
    expect([response.status, ((await response.json()) as Refused).error.message]).toEqual([
      400,
      expect.stringContaining('private address'),
    ])
    expect(asked).toEqual([])
  })
})

describe('a retry', () => {
  const failing = async () => {
    const provider = await fakeProvider((sent, index) =>
      index === 0 ? json(sent.response, 400, failure('bad_request')) : accept(sent, index),
    )
    const service = await startOn(provider)
    const bytes = await picture()
    const { url } = await pictureServer(response => response.end(bytes))
    const request = { ...aRequest, image: [url, dataUrl(bytes)], size: '1024x1024', n: 1, timeout_s: 90 }
    const { job_id: id } = (await (await service.submit(request, { 'idempotency-key': 'k' })).json()) as Refused
    const retry = (headers: Record<string, string> = {}) => service.call(`/jobs/${id}/retry`, { method: 'POST', headers })
    return { provider, service, url, id, retry }
  }

  test('is a job of its own that names the first, with the same request and its own copy of the pictures', async () => {
    const { service, url, id, retry } = await failing()
    const job = await jobOf(retry())
    expect(job).toMatchObject({
      status: 'processing',
      retry_of: id,
      params: { size: '1024x1024' },
      inputs: [{ url }, {}],
    })
    expect(Date.parse(job.expires_at) - Date.parse(job.created_at)).toBe(90_000)
    expect((await service.call(`/jobs/${id}`, { method: 'DELETE' })).status).toBe(204)
    const left = await filesOf(service)
    expect(left).toHaveLength(2)
    expect(left.every(name => name.startsWith(job.id))).toBe(true)
  })

  test('has an Idempotency-Key of its own: the one of the first request is for that request', async () => {
    const { provider, service, retry } = await failing()
    expect((await retry({ 'idempotency-key': 'k' })).status).toBe(422)
    const [one, two] = await Promise.all([retry({ 'idempotency-key': 'k-2' }), retry({ 'idempotency-key': 'k-2' })])
    expect((await jobOf(one)).id).toBe((await jobOf(two)).id)
    expect(provider.submits).toHaveLength(2)
    expect(await filesOf(service)).toHaveLength(4)
  })

  test('is for what failed, expired or was canceled only', async () => {
    const service = await startOn(await fakeProvider())
    const { id } = await jobOf(service.submit(aRequest))
    expect((await service.call(`/jobs/${id}/retry`, { method: 'POST' })).status).toBe(409)
    await service.call(`/jobs/${id}/cancel`, { method: 'POST' })
    expect(await jobOf(service.call(`/jobs/${id}/retry`, { method: 'POST' }))).toMatchObject({ retry_of: id })
  })
})

test('a job that waits for its second try is answered, and what it sent in stays for it', async () => {
  const clock = testClock()
  const provider = await fakeProvider((sent, index) => (index === 0 ? json(sent.response, 429, {}) : accept(sent, index)))
  const service = await startOn(provider, {}, { clock })
  const job = await jobOf(service.submit({ ...aRequest, image: dataUrl(await picture()) }))
  expect(job.status).toBe('queued')
  expect(await filesOf(service)).toHaveLength(1)
  await clock.advance(2_000)
  await becomes(service, job.id, one => one.task_id === 't-2')
  expect((provider.submits[1] as Sent).response.req.headers['content-type']).toContain('multipart/form-data')
})
