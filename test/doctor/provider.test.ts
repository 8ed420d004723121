import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { type Config, readConfig } from '../../src/config.ts'
import type { Finding } from '../../src/doctor/finding.ts'
import { examineProvider } from '../../src/doctor/provider.ts'
import { serveTls } from '../net/servers.ts'
import { httpServer, json } from '../provider/setting.ts'
import { freePort } from '../support/process.ts'

function configFor(baseUrl: string, settings: Record<string, string> = {}): Config {
  return readConfig({
    PROVIDER_API_KEY: 'a-key',
    API_KEYS: 'shop:secret',
    PROVIDER_BASE_URL: baseUrl,
    PUBLIC_URL: 'https://x.test',
    ...settings,
  })
}

async function look(baseUrl: string, settings: Record<string, string> = {}, now = Date.now): Promise<Finding[]> {
  return examineProvider(configFor(baseUrl, settings), now)
}

const error = (code: string) => ({ success: false, error: { code, message: 'not you' } })

test.each<[string, 'ok' | 'warn' | 'fail', RegExp, (response: ServerResponse) => void]>([
  ['{} for a task that there is not', 'ok', /takes the key$/, response => json(response, 200, {})],
  ['401', 'fail', /the key is refused \(HTTP 401 invalid_token\)/, response => json(response, 401, error('invalid_token'))],
  ['401 without JSON', 'fail', /the key is refused \(HTTP 401\)/, response => response.writeHead(401).end('no')],
  ['used_up', 'fail', /the balance is used up/, response => json(response, 403, error('used_up'))],
  ['used_up with a 200', 'fail', /the balance is used up/, response => json(response, 200, error('used_up'))],
  ['disabled', 'fail', /the account is disabled/, response => json(response, 403, error('disabled'))],
  ['forbidden', 'fail', /refuses this/, response => json(response, 403, error('forbidden'))],
  ['no_api', 'fail', /does not know this question \(HTTP 404 no_api\)/, response => json(response, 404, error('no_api'))],
  ['a redirect', 'fail', /redirect/, response => response.writeHead(302, { location: '/x' }).end()],
  ['a page', 'fail', /no provider/, response => response.writeHead(200).end('<html>')],
  ['429', 'warn', /asks to wait/, response => json(response, 429, error('rate_limited'))],
  ['500', 'warn', /in trouble/, response => json(response, 500, error('api_error'))],
  ['502', 'warn', /in trouble \(HTTP 502\)/, response => response.writeHead(502).end('<html>')],
])('a provider that answers %s is %s', async (_name, level, seen, answer) => {
  const { url } = await httpServer(answer)
  expect((await look(url))[0]).toMatchObject({ check: 'provider', level, seen: expect.stringMatching(seen) })
})

test('the key is tried on a question that costs nothing', async () => {
  const { url, seen } = await httpServer(response => json(response, 200, {}))
  await look(`${url}/v1`)
  expect(seen).toHaveLength(1)
  expect(seen[0]).toMatchObject({ method: 'POST', path: '/v1/openai/tasks', headers: { authorization: 'Bearer a-key' } })
  expect(JSON.parse(String(seen[0]?.body))).toEqual({ action: 'retrieve', id: expect.any(String) })
})

test('a provider that cannot be reached is a failure that says how', async () => {
  const nothing = await look(`http://127.0.0.1:${await freePort()}`)
  expect(nothing[0]).toMatchObject({ level: 'fail', seen: 'cannot be reached (ECONNREFUSED)' })
  const untrusted = await serveTls((_request, response) => response.end('{}'))
  expect((await look(untrusted.origin))[0]).toMatchObject({ level: 'fail', toDo: expect.stringContaining('certificate') })
  const nowhere = await look('http://no-such-host.invalid')
  expect(nowhere.find(({ level }) => level === 'fail')).toMatchObject({ seen: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/) })
  expect(nowhere.at(-1)).toMatchObject({ check: 'clock', level: 'skip' })
})

test('without a path for tasks the key is not tried, and this is told', async () => {
  const { url, seen } = await httpServer(response => response.writeHead(404).end())
  const findings = await look(url, { PROVIDER_TASKS_PATH: '' })
  expect(findings.map(({ level }) => level)).toEqual(['warn', 'ok', 'ok'])
  expect(findings[0]?.seen).toContain('PROVIDER_TASKS_PATH')
  expect(seen.map(({ method, headers }) => [method, headers.authorization])).toEqual([['GET', undefined]])
})

test('a key that would travel unencrypted is a warning', async () => {
  const findings = await look('http://0.0.0.0:9')
  expect(findings[0]).toMatchObject({ check: 'provider', level: 'warn', seen: expect.stringContaining('unencrypted') })
})

test('on the sandbox nothing is asked, and a key that is not used is told', async () => {
  const sandbox = await examineProvider(readConfig({}), Date.now)
  expect(sandbox.map(({ check, level }) => [check, level])).toEqual([
    ['provider', 'ok'],
    ['clock', 'skip'],
  ])
  const unused = await examineProvider(readConfig({ PROVIDER: 'sandbox', PROVIDER_API_KEY: 'a-key' }), Date.now)
  expect(unused[0]).toMatchObject({ level: 'warn', seen: expect.stringContaining('PROVIDER_API_KEY') })
})

describe('the clock', () => {
  test.each([
    [0, 'ok', 'as the provider’s'],
    [-20_000, 'ok', '20 s behind the provider’s'],
    [60_000, 'warn', '60 s ahead of the provider’s'],
    [-400_000, 'fail', '400 s behind the provider’s'],
  ] as const)('%d ms off is %s', async (aheadMs, level, seen) => {
    // On the half second, where a header in whole seconds is right on average.
    const now = Date.parse('2026-01-01T12:00:00.500Z')
    const { url } = await httpServer(response => json(response, 200, {}, { date: new Date(now - aheadMs).toUTCString() }))
    expect((await look(url, {}, () => now)).at(-1)).toMatchObject({ check: 'clock', level, seen })
  })

  test('is compared with an answer that refuses, too', async () => {
    const { url } = await httpServer(response => json(response, 401, error('invalid_token'), { date: new Date(0).toUTCString() }))
    expect((await look(url)).map(({ level }) => level)).toEqual(['fail', 'fail'])
  })
})
