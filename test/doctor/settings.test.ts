import { describe, expect, test } from 'vitest'
import { readConfig, settingNames } from '../../src/config.ts'
import { findingsOf } from '../../src/doctor/finding.ts'
import { examineKeys, examineWebhookSecrets } from '../../src/doctor/keys.ts'
import { asLine, verdictLine, verdictOf } from '../../src/doctor/report.ts'
import { examineSettings, likelyTypos } from '../../src/doctor/settings.ts'

const path = '/srv/darkroom/.env'

describe('the settings', () => {
  test('that are right are counted, and where they come from is told', () => {
    const seen = (environment: Record<string, string>, values: Record<string, string> | null) =>
      examineSettings(environment, values === null ? null : { path, values }).findings.map(
        ({ level, seen: text }) => `${level} ${text}`,
      )
    expect(seen({ HOME: '/root' }, null)).toEqual(['ok all are the defaults, from the environment alone: there is no .env'])
    expect(seen({ PORT: '1', API_KEYS: 'a:b' }, { PORT: '1' })).toEqual([`ok 2 set, from the environment and ${path}`])
  })

  test('of a file that was not read, or does not count, are a warning', () => {
    const unread = examineSettings({}, { path, values: { PORT: '1' } })
    expect(unread.findings[1]).toMatchObject({ level: 'warn', seen: `${path} is there, but was not read` })
    const overruled = examineSettings({ PORT: '1', LOG_LEVEL: 'info' }, { path, values: { PORT: '2', LOG_LEVEL: 'info' } })
    expect(overruled.findings[1]).toMatchObject({ level: 'warn', seen: expect.stringMatching(/^PORT in \S+ has no effect/) })
  })

  test('that are wrong leave nothing to go on with', () => {
    const { config, findings } = examineSettings({ PORT: 'x', LOGLEVEL: 'info' }, null)
    expect(config).toBeNull()
    expect(findings.map(({ level }) => level)).toEqual(['fail', 'warn'])
  })
})

describe('a variable', () => {
  test.each([
    ['PROVIDER_APIKEY', 'PROVIDER_API_KEY'],
    ['PROVIDER_KEY', 'PROVIDER_API_KEY'],
    ['API_KEY', 'API_KEYS'],
    ['DATADIR', 'DATA_DIR'],
    ['WEBHOOK_SECRET', 'WEBHOOK_SECRETS'],
    ['API_KEYS_FLIE', 'API_KEYS_FILE'],
    ['port', 'PORT'],
    ['BASE_URL', 'PROVIDER_BASE_URL'],
    ['TASKS_PATH', 'PROVIDER_TASKS_PATH'],
    ['delay_ms', 'SANDBOX_DELAY_MS'],
  ])('%s is told to be perhaps %s', (name, meant) => {
    expect(likelyTypos([name], settingNames())).toEqual([{ name, meant }])
  })

  test.each([
    'HOME',
    'PATH',
    'HOSTNAME',
    'LOGNAME',
    'NODE_ENV',
    'DB_HOST',
    'URL',
    'FAULTS',
    'SSH_AUTH_SOCK',
    'XDG_DATA_DIRS',
    'npm_config_port',
    'API_KEYS_FILE',
  ])('%s is left alone', name => expect(likelyTypos([name], settingNames())).toEqual([]))
})

describe('keys', () => {
  const real = { PROVIDER_API_KEY: 'a-key', ALLOW_ANONYMOUS: 'true' }
  const long = 'x'.repeat(16)
  test.each<[string, Record<string, string>, string, string]>([
    ['none on the sandbox', {}, 'API keys', 'ok'],
    ['none on the sandbox for all the world', { HOST: '0.0.0.0' }, 'API keys', 'warn'],
    ['none with a real provider', real, 'API keys', 'warn'],
    ['long ones', { API_KEYS: `shop:${long}` }, 'API keys', 'ok'],
    ['a short one', { API_KEYS: `shop:${long},web:${long.slice(1)}` }, 'API keys', 'warn'],
    ['no admin key', {}, 'admin key', 'ok'],
    ['an admin key alone', { ADMIN_KEY: long }, 'admin key', 'warn'],
    ['an admin key with others', { ADMIN_KEY: long, API_KEYS: 'shop:secret' }, 'admin key', 'ok'],
    ['a short admin key', { ADMIN_KEY: long.slice(1), API_KEYS: 'shop:secret' }, 'admin key', 'warn'],
    ['https without a known proxy', { PUBLIC_URL: 'https://x.test' }, 'proxy', 'warn'],
    ['https with a known proxy', { PUBLIC_URL: 'https://x.test', TRUST_PROXY: '10.0.0.1' }, 'proxy', 'ok'],
  ])('%s: %j is, of %s, %s', (_name, settings, check, level) => {
    const finding = examineKeys(readConfig(settings)).find(one => one.check === check)
    expect(finding?.level).toBe(level)
    expect(finding?.seen).not.toContain('xxxx')
  })

  test('of webhooks are counted, not shown', async () => {
    const [one, other] = ['1', '2'].map(character => `whsec_${character.repeat(32)}`)
    const { finding, secrets } = await examineWebhookSecrets(readConfig({ WEBHOOK_SECRETS: `${one} ${other}` }))
    expect(secrets).toEqual([one, other])
    expect(finding).toMatchObject({ level: 'ok', seen: '2, in WEBHOOK_SECRETS' })
    const none = await examineWebhookSecrets(readConfig({ DATA_DIR: '/nowhere/at/all' }))
    expect(none).toMatchObject({ secrets: [], finding: { level: 'ok' } })
  })
})

describe('the report', () => {
  const { ok, skip, warn, fail } = findingsOf('database')

  test('ends with what it is all in all', () => {
    expect([verdictOf([ok('a'), skip('b')]), verdictLine([ok('a'), skip('b')])]).toEqual(['ok', 'doctor: all is well'])
    expect([verdictOf([ok('a'), warn('b')]), verdictLine([warn('b')])]).toEqual(['warn', 'doctor: it works, with 1 warning'])
    expect([verdictOf([warn('a'), fail('b')]), verdictLine([warn('a'), fail('b')])]).toEqual([
      'fail',
      'doctor: 1 FAILED, 1 warning: it will not work as it is',
    ])
  })

  test('has one line for each finding, whatever is in it', () => {
    expect(asLine(fail('seen\u001b[2J\nthis', 'do that'))).toBe('FAIL  database        seen [2J this → do that')
  })
})
