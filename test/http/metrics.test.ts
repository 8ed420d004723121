import { expect, test } from 'vitest'
import { adminKey, asAdmin, scrape } from '../metrics/scrape.ts'
import { parseExposition } from '../support/exposition.ts'
import { startTestService } from '../support/service.ts'
import { refusalOf } from './refusals.ts'

const bearer = (key: string) => ({ headers: { authorization: `Bearer ${key}` } })
const keys = { API_KEYS: 'ann:key-of-ann', ADMIN_KEY: adminKey }

test('the figures are given to the administrator’s key, as text that a Prometheus server reads', async () => {
  const service = await startTestService(keys)
  const response = await service.call('/metrics', asAdmin)
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(parseExposition(await response.text()).size).toBeGreaterThan(30)
  expect((await service.call('/metrics', { ...asAdmin, method: 'HEAD' })).status).toBe(200)
})

test('no key, a wrong one, and the key of a user are refused', async () => {
  const service = await startTestService(keys)
  for (const init of [
    {},
    bearer('wrong'),
    bearer('key-of-ann'),
    bearer(`${adminKey}x`),
    { headers: { authorization: adminKey } },
  ]) {
    const response = await service.call('/metrics', init)
    expect(response.headers.get('www-authenticate')).toBe('Bearer')
    expect(await refusalOf(response)).toMatchObject({ status: 401, code: 'unauthorized' })
  }
})

test('where everything else is open to everybody, the figures are not', async () => {
  const service = await startTestService({ ADMIN_KEY: adminKey })
  expect((await service.call('/jobs')).status).toBe(200)
  expect((await service.call('/metrics')).status).toBe(401)
  expect((await service.call('/metrics', bearer('wrong'))).status).toBe(401)
  expect((await service.call('/metrics', asAdmin)).status).toBe(200)
})

test.each([{}, { API_KEYS: 'ann:key-of-ann' }])('without an ADMIN_KEY there is no such route (%o)', async settings => {
  const service = await startTestService({ ...settings, RATE_LIMIT_MAX: '2' })
  const unknown = await refusalOf(await service.call('/nothing', bearer('key-of-ann')))
  expect(await refusalOf(await service.call('/metrics', bearer('key-of-ann')))).toEqual(unknown)
  expect(unknown).toMatchObject({ status: 404, code: 'not_found' })
  expect((await service.call('/metrics')).status).toBe(429)
})

test('scrapes are not limited; refused keys are, as everywhere', async () => {
  const service = await startTestService({ ...keys, RATE_LIMIT_MAX: '1' })
  for (let count = 0; count < 15; count += 1) expect((await service.call('/metrics', asAdmin)).status).toBe(200)
  expect((await service.call('/metrics')).status).toBe(401)
  expect((await service.call('/metrics')).status).toBe(429)
  expect((await service.call('/metrics', asAdmin)).status).toBe(200)
  expect((await service.call('/jobs', asAdmin)).status).toBe(200)
})

test('requests are counted by the pattern of their route, once each, and made-up paths and methods together', async () => {
  const service = await startTestService({ ADMIN_KEY: adminKey })
  const name = 'darkroom_http_request_duration_seconds'
  await service.call('/jobs')
  await service.call('/jobs?limit=1')
  await service.call('/jobs', { method: 'HEAD' })
  for (const id of ['a', 'b', 'c']) await service.call(`/jobs/${id}`)
  for (const path of ['/x', '/y/z', '/jobs/a/b/c']) await service.call(path)
  await service.call('/jobs', { method: 'PUT' })
  await service.call('/callbacks/forged', { method: 'POST', body: '{}' })
  const { of, families } = await scrape(service)
  expect(of(`${name}_count`, { route: '/jobs', method: 'GET', status: '2xx' })).toBe(2)
  expect(of(`${name}_count`, { route: '/jobs', method: 'HEAD', status: '2xx' })).toBe(1)
  expect(of(`${name}_count`, { route: '/jobs/:taskId', method: 'GET', status: '4xx' })).toBe(3)
  expect(of(`${name}_count`, { route: 'unknown', method: 'any', status: '4xx' })).toBe(4)
  const lines = families.get(name)?.samples.filter(sample => sample.name === `${name}_count`) ?? []
  expect(new Set(lines.map(sample => sample.labels['route']))).toEqual(new Set(['/jobs', '/jobs/:taskId', 'unknown']))
  const later = await scrape(service)
  expect(later.of(`${name}_count`, { route: '/metrics', method: 'GET', status: '2xx' })).toBe(1)
})
