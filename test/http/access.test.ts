import { expect, test, vi } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { type Running, startTestService } from '../support/service.ts'
import { expectNothingDone, refusalOf } from './refusals.ts'
import { head, sendRaw } from './wire.ts'

const keys = { API_KEYS: 'ann:key-of-ann,bob:key-of-bob', ADMIN_KEY: 'key-of-admin', SANDBOX_FAULTS: 'lost' }
const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` })
const good = { prompt: 'dark mode', image: dataUrl(await picture()) }

async function jobOf(service: Running, key: string): Promise<JobView> {
  const response = await service.submit(good, bearer(key))
  expect(response.status).toBe(202)
  return (await response.json()) as JobView
}

test('a key is taken as a bearer token and in no other way', async () => {
  const service = await startTestService(keys)
  for (const authorization of ['Bearer key-of-ann', 'bearer key-of-ann', 'BEARER  key-of-ann', 'Bearer key-of-ann '])
    expect([authorization, (await service.call('/jobs', { headers: { authorization } })).status]).toEqual([authorization, 200])
  const basic = `Basic ${Buffer.from('ann:key-of-ann').toString('base64')}`
  const wrong = [
    '',
    'Bearer',
    'Bearer ',
    'Bearer wrong',
    'Bearer key-of-an',
    'Bearer key-of-ann1',
    'Bearer KEY-OF-ANN',
    'key-of-ann',
    basic,
  ]
  for (const authorization of [
    ...wrong,
    'Bearer ann:key-of-ann',
    'Bearer key-of-ann key-of-ann',
    'Token key-of-ann',
    'Bearer: key-of-ann',
  ]) {
    const response = await service.call('/jobs', { headers: { authorization } })
    expect([authorization, response.headers.get('www-authenticate')]).toEqual([authorization, 'Bearer'])
    expect(await refusalOf(response)).toMatchObject({ status: 401, code: 'unauthorized' })
  }
  for (const headers of [{ 'x-api-key': 'key-of-ann' }, { cookie: 'key=key-of-ann' }, { 'api-key': 'key-of-ann' }])
    expect((await service.call('/jobs?key=key-of-ann&api_key=key-of-ann', { headers })).status).toBe(401)
})

test('without a key nothing but what is open is reached, and no body is looked at', async () => {
  const service = await startTestService(keys)
  const routes = ['POST /jobs', 'GET /jobs', 'GET /jobs/x', 'POST /jobs/x/cancel', 'POST /jobs/x/retry', 'DELETE /jobs/x']
  for (const route of [...routes, 'GET /jobs/x/callbacks', 'GET /jobs/x/images/0', 'GET /jobs/x/inputs/0']) {
    // A body is announced and never sent: an answer comes all the same.
    const answer = await sendRaw(service.url, head(route, { 'content-length': 1_000_000 }))
    expect([route, answer.status]).toEqual([route, 401])
  }
  expect((await service.call('/jobs', { method: 'HEAD' })).status).toBe(401)
  for (const path of ['/', '/healthz', '/readyz']) expect((await service.call(path)).status).toBe(200)
  await expectNothingDone(service)
})

test('a key sees its own jobs alone, by every id and in every way; the administrator sees all', async () => {
  const service = await startTestService(keys)
  const [ann, bob] = [await jobOf(service, 'key-of-ann'), await jobOf(service, 'key-of-bob')]
  const ways = ['', '/callbacks', '/images/0', '/inputs/0', '/cancel', '/retry', '/delete']
  for (const id of [ann.id, ann.task_id]) {
    for (const way of ways) {
      const method = way === '/delete' ? 'DELETE' : way === '/cancel' || way === '/retry' ? 'POST' : 'GET'
      const path = `/jobs/${id}${way.replace('/delete', '')}`
      const response = await service.call(path, { method, headers: bearer('key-of-bob') })
      expect([way, await refusalOf(response)]).toMatchObject([way, { status: 404, code: 'not_found' }])
    }
    for (const key of ['key-of-ann', 'key-of-admin'])
      expect(await (await service.call(`/jobs/${id}`, { headers: bearer(key) })).json()).toMatchObject({
        id: ann.id,
        status: 'processing',
      })
  }
  const listed = async (key: string): Promise<string[]> => {
    const page = (await (await service.call('/jobs', { headers: bearer(key) })).json()) as { data: JobView[] }
    return page.data.map(job => job.id)
  }
  expect(await listed('key-of-ann')).toEqual([ann.id])
  expect(await listed('key-of-bob')).toEqual([bob.id])
  expect(await listed('key-of-admin')).toEqual([bob.id, ann.id])
})

test('two secrets of one name see the same jobs, and share its limit, so that a key is changed without a gap', async () => {
  const service = await startTestService({ API_KEYS: 'shop:new,shop:old', RATE_LIMIT_MAX: '2', SANDBOX_FAULTS: 'lost' })
  const job = await jobOf(service, 'old')
  for (const key of ['old', 'new']) expect((await service.call(`/jobs/${job.id}`, { headers: bearer(key) })).status).toBe(200)
  expect(await service.store.job(job.id)).toMatchObject({ owner: 'shop' })
  expect([(await service.submit({}, bearer('new'))).status, (await service.submit({}, bearer('old'))).status]).toEqual([400, 429])
})

test("an administrator's job is no key's to see", async () => {
  const service = await startTestService(keys)
  const job = await jobOf(service, 'key-of-admin')
  for (const key of ['key-of-ann', 'key-of-bob'])
    expect((await service.call(`/jobs/${job.id}`, { headers: bearer(key) })).status).toBe(404)
})

test('where no keys are configured, everything is open, and a key that is sent is ignored', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const job = (await (await service.submit(good, bearer('anything'))).json()) as JobView
  for (const headers of [{}, bearer('something else'), { authorization: 'nonsense' }])
    expect((await service.call(`/jobs/${job.id}`, { headers })).status).toBe(200)
})

/** Asks until it is refused for the number of requests; gives how many were let through. */
async function callsUntilLimited(ask: () => Promise<Response>, most = 50): Promise<number> {
  for (let count = 0; count < most; count += 1) {
    const response = await ask()
    if (response.status !== 429) {
      await response.arrayBuffer()
      continue
    }
    const seconds = Number(response.headers.get('retry-after'))
    expect(seconds).toBeGreaterThanOrEqual(1)
    expect(seconds).toBeLessThanOrEqual(60)
    expect(await refusalOf(response)).toMatchObject({ code: 'rate_limited' })
    return count
  }
  return most
}

test('submits are limited for each key, reads ten times as generously, and neither takes from the other', async () => {
  const service = await startTestService({ ...keys, RATE_LIMIT_MAX: '2' })
  const ann = bearer('key-of-ann')
  expect(await callsUntilLimited(() => service.submit({}, ann))).toBe(2)
  expect(await callsUntilLimited(() => service.call('/jobs', { headers: ann }))).toBe(20)
  expect((await service.submit({}, bearer('key-of-bob'))).status).toBe(400)
  expect((await service.call('/jobs', { headers: bearer('key-of-bob') })).status).toBe(200)
})

test('HEAD counts like GET, from the same twenty', async () => {
  const service = await startTestService({ ...keys, RATE_LIMIT_MAX: '2' })
  const headers = bearer('key-of-ann')
  for (let count = 0; count < 10; count += 1) await service.call('/jobs', { headers })
  let through = 0
  while ((await service.call('/jobs', { headers, method: 'HEAD' })).status === 200) through += 1
  expect(through).toBe(10)
})

test('a retry counts as a submit, a cancel as a read', async () => {
  const service = await startTestService({ ...keys, RATE_LIMIT_MAX: '1' })
  const headers = bearer('key-of-ann')
  expect(await callsUntilLimited(() => service.call('/jobs/x/retry', { method: 'POST', headers }))).toBe(1)
  expect(await callsUntilLimited(() => service.call('/jobs/x/cancel', { method: 'POST', headers }))).toBe(10)
})

test('refused keys and unknown routes, readable or not, are limited for each address; good keys go on from there', async () => {
  const service = await startTestService({ ...keys, RATE_LIMIT_MAX: '8' })
  const asks = [
    () => service.call('/jobs', { headers: bearer('wrong') }),
    () => service.call('/nothing'),
    () => service.call('/nothing', { method: 'POST', body: 'text' }),
    () => service.call('/nothing', { method: 'HEAD' }),
    () => service.call('/%zz'),
    () => service.call(`/jobs/${'x'.repeat(2_000)}`),
    () => service.call('/jobs/x/images/0?exp=99999999999&sig=forged'),
    () => service.call('/jobs', { method: 'PATCH' }),
  ]
  for (const ask of asks) expect((await ask()).status).not.toBe(429)
  for (const ask of asks) expect((await ask()).status).toBe(429)
  expect((await service.call('/jobs', { headers: bearer('key-of-ann') })).status).toBe(200)
})

test('callbacks, pictures and health are never limited', async () => {
  const service = await startTestService({ ...keys, RATE_LIMIT_MAX: '1' })
  const job = await jobOf(service, 'key-of-ann')
  const input = new URL(job.inputs[0]?.url ?? '')
  const asks = [
    () => service.call('/callbacks/forged', { method: 'POST', body: '{}' }),
    () => service.call(`${input.pathname}${input.search}`),
    () => service.call(input.pathname, { headers: bearer('key-of-ann') }),
    () => service.call('/healthz'),
    () => service.call('/readyz'),
    () => service.call('/'),
  ]
  for (const ask of asks) expect(await callsUntilLimited(ask, 15)).toBe(15)
})

test('an address is the one that a trusted proxy names, and nobody else', async () => {
  const limited = async (trust: string, forwarded: (index: number) => string): Promise<number> => {
    const service = await startTestService({ RATE_LIMIT_MAX: '3', TRUST_PROXY: trust })
    let index = 0
    return callsUntilLimited(() => service.call('/nothing', { headers: { 'x-forwarded-for': forwarded((index += 1)) } }), 8)
  }
  expect(await limited('', index => `203.0.113.${index}`)).toBe(3)
  expect(await limited('10.0.0.0/8', index => `203.0.113.${index}`)).toBe(3)
  expect(await limited('127.0.0.1', index => `203.0.113.${index}`)).toBe(8)
  expect(await limited('127.0.0.0/8', () => '203.0.113.1')).toBe(3)
  // What the client itself put before the address that the proxy added tells nothing.
  expect(await limited('127.0.0.1', index => `198.51.100.${index}, 203.0.113.1`)).toBe(3)
  // One who has an IPv6 network has all of its addresses.
  expect(await limited('127.0.0.1', index => `2001:db8:0:1::${index}`)).toBe(3)
  expect(await limited('127.0.0.1', index => `2001:db8:0:${index}::1`)).toBe(8)
})

test('an address is remembered however many others come after it', async () => {
  const service = await startTestService({ RATE_LIMIT_MAX: '1', TRUST_PROXY: '127.0.0.1' })
  const ask = async (address: string): Promise<number> => {
    const answer = await service.app.inject({ url: '/nothing', headers: { 'x-forwarded-for': address } })
    return answer.statusCode
  }
  expect(await ask('203.0.113.1')).toBe(404)
  for (let index = 0; index < 5_100; index += 1) await ask(`10.1.${index >> 8}.${index & 255}`)
  expect(await ask('203.0.113.1')).toBe(429)
})

test('a client is never told to wait for more than a minute, though its window is longer', async () => {
  const service = await startTestService({ ...keys, RATE_LIMIT_MAX: '1', RATE_LIMIT_WINDOW_S: '3600' })
  expect(await callsUntilLimited(() => service.submit({}, bearer('key-of-ann')))).toBe(1)
})

test('a clock that is set back shuts nobody out', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  try {
    const service = await startTestService({ ...keys, RATE_LIMIT_MAX: '1', RATE_LIMIT_WINDOW_S: '1' })
    const ask = async () => (await service.submit({}, bearer('key-of-ann'))).status
    await expect.poll(ask, { interval: 1, timeout: 20_000 }).toBe(429)
    vi.setSystemTime(Date.now() - 3_600_000)
    await expect.poll(ask, { interval: 50, timeout: 20_000 }).toBe(400)
  } finally {
    vi.useRealTimers()
  }
})

test('other API keys hold from the moment on at which they are put in their place', async () => {
  const service = await startTestService(keys)
  const job = await jobOf(service, 'key-of-ann')
  const ask = async (key: string) => (await service.call(`/jobs/${job.id}`, { headers: bearer(key) })).status
  service.replaceApiKeys([{ name: 'ann', secret: 'new-key-of-ann' }])
  expect([await ask('new-key-of-ann'), await ask('key-of-ann'), await ask('key-of-bob'), await ask('key-of-admin')]).toEqual([
    200, 401, 401, 200,
  ])
})
