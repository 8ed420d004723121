import { describe, expect, test } from 'vitest'
import type { Config } from '../../src/config.ts'
import { problemsOf, read } from './setting.ts'

describe('whole numbers', () => {
  test.each<[string, keyof Config, number, number]>([
    ['PORT', 'port', 0, 65_535],
    ['SANDBOX_PORT', 'sandboxPort', 0, 65_535],
    ['SANDBOX_DELAY_MS', 'sandboxDelayMs', 0, 86_400_000],
    ['MAX_IN_FLIGHT', 'maxInFlight', 1, 100_000],
    ['JOB_TIMEOUT_S', 'jobTimeoutS', 1, 604_800],
    ['SUBMIT_TIMEOUT_MS', 'submitTimeoutMs', 1, 3_600_000],
    ['POLL_AFTER_S', 'pollAfterS', 0, 604_800],
    ['POLL_EVERY_S', 'pollEveryS', 1, 86_400],
    ['RATE_LIMIT_MAX', 'rateLimitMax', 1, 1_000_000_000],
    ['RATE_LIMIT_WINDOW_S', 'rateLimitWindowS', 1, 86_400],
    ['MAX_IMAGE_BYTES', 'maxImageBytes', 1, 2 ** 40],
    ['MAX_REQUEST_BYTES', 'maxRequestBytes', 1, 2 ** 40],
    ['MAX_CALLBACK_BYTES', 'maxCallbackBytes', 1, 2 ** 40],
    ['RETENTION_DAYS', 'retentionDays', 0, 36_500],
  ])('%s goes into %s, from %i to %i', (name, field, min, max) => {
    expect(read({ [name]: String(min) })[field]).toBe(min)
    expect(read({ [name]: ` ${max} ` })[field]).toBe(max)
    const wrong = [String(max + 1), '-1', '1.5', '1e3', '0x10', 'ten', '1 0', '+1', '٣', 'Infinity', 'NaN', '9'.repeat(400)]
    for (const value of min === 0 ? wrong : [...wrong, String(min - 1)])
      expect(problemsOf({ [name]: value })).toEqual([`${name} must be a whole number from ${min} to ${max}`])
  })
})

describe('switches', () => {
  test.each<[string, keyof Config]>([
    ['ALLOW_ANONYMOUS', 'allowAnonymous'],
    ['WEBHOOK_ALLOW_PRIVATE', 'webhookAllowPrivate'],
    ['FETCH_ALLOW_PRIVATE', 'fetchAllowPrivate'],
  ])('%s is true or false, and nothing in between', (name, field) => {
    for (const value of ['true', 'TRUE', '1']) expect(read({ [name]: value })[field]).toBe(true)
    for (const value of ['false', 'False', '0']) expect(read({ [name]: value })[field]).toBe(false)
    for (const value of ['yes', 'on', '2', 'tru', 'null'])
      expect(problemsOf({ [name]: value })).toEqual([`${name} must be true or false`])
  })
})

describe.each<['PUBLIC_URL' | 'PROVIDER_BASE_URL', 'publicUrl' | 'providerBaseUrl']>([
  ['PUBLIC_URL', 'publicUrl'],
  ['PROVIDER_BASE_URL', 'providerBaseUrl'],
])('%s', (name, field) => {
  test.each([
    ['https://darkroom.example.com', 'https://darkroom.example.com'],
    ['https://darkroom.example.com/', 'https://darkroom.example.com'],
    ['https://example.com/some/path//', 'https://example.com/some/path'],
    ['http://localhost:3000', 'http://localhost:3000'],
    ['http://127.0.0.1', 'http://127.0.0.1'],
    ['http://[::1]:3000', 'http://[::1]:3000'],
    ['HTTPS://EXAMPLE.com', 'HTTPS://EXAMPLE.com'],
    ['https://example.com/@me', 'https://example.com/@me'],
  ])('may be %s, and is used as %s', (value, used) => {
    expect(read({ [name]: value })[field]).toBe(used)
  })

  test.each([
    'example.com',
    'ftp://example.com',
    'https:example.com',
    'https://',
    '//example.com',
    'https://example.com?x=1',
    'https://example.com/?',
    'https://example.com/#top',
    'https://user@example.com',
    'https://:password@example.com',
    'https://exa mple.com',
    'https://exam\nple.com',
    'https://example.com:99999',
  ])('must not be %j', value => {
    expect(problemsOf({ [name]: value })).toEqual([expect.stringMatching(`^${name} must be an http\\(s\\) URL`)])
  })
})

describe('TRUST_PROXY', () => {
  test('is a list of addresses and networks', () => {
    expect(read({ TRUST_PROXY: '10.0.0.0/8, 192.168.1.1 fd00::/8,::1/128' }).trustProxy).toEqual([
      '10.0.0.0/8',
      '192.168.1.1',
      'fd00::/8',
      '::1/128',
    ])
  })

  test.each([
    'true',
    '1',
    'loopback',
    '10.0.0.0/33',
    'fd00::/129',
    '0.0.0.0/0',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0',
    '10.0.0.0/-1',
    '10.0.0.0/a',
    '10.0.0.0/08',
    'fe80::1%eth0',
    '10.0.0.1,x',
  ])('must not be %s', value =>
    expect(problemsOf({ TRUST_PROXY: value })).toEqual([expect.stringMatching(/^TRUST_PROXY must be/)]),
  )
})
