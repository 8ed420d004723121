import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Config, ConfigError, type Environment, readConfig } from '../src/config.ts'
import { problemsOf, read, real } from './config/setting.ts'

describe('with nothing set', () => {
  test('every setting has its documented default', () => {
    expect(read()).toEqual({
      host: '127.0.0.1',
      port: 3000,
      publicUrl: null,
      dataDir: resolve('data'),
      secrets: [],
      provider: 'sandbox',
      providerApiKey: null,
      providerBaseUrl: 'https://api.xhuoapi.ai/v1',
      providerEditsPath: '/openai/images/edits',
      providerTasksPath: '/openai/tasks',
      sandboxPort: 0,
      sandboxDelayMs: 2_000,
      sandboxFaults: '',
      apiKeys: [],
      areApiKeysInFile: false,
      adminKey: null,
      allowAnonymous: false,
      maxInFlight: 50,
      jobTimeoutS: 2_400,
      submitTimeoutMs: 30_000,
      pollAfterS: 120,
      pollEveryS: 30,
      rateLimitMax: 120,
      rateLimitWindowS: 60,
      answerWithinS: 280,
      waitMaxS: 90,
      maxImageBytes: 52_428_800,
      maxRequestBytes: 268_435_456,
      maxCallbackBytes: 536_870_912,
      retentionDays: 30,
      webhookSecrets: [],
      webhookAllowPrivate: false,
      fetchAllowPrivate: false,
      trustProxy: [],
      logLevel: 'info',
    } satisfies Config)
  })

  const names = `HOST PORT PUBLIC_URL DATA_DIR SECRET PROVIDER PROVIDER_API_KEY PROVIDER_BASE_URL PROVIDER_EDITS_PATH SANDBOX_PORT
    SANDBOX_DELAY_MS SANDBOX_FAULTS API_KEYS ADMIN_KEY ALLOW_ANONYMOUS MAX_IN_FLIGHT JOB_TIMEOUT_S SUBMIT_TIMEOUT_MS POLL_AFTER_S
    POLL_EVERY_S RATE_LIMIT_MAX RATE_LIMIT_WINDOW_S ANSWER_WITHIN_S WAIT_MAX_S MAX_IMAGE_BYTES MAX_REQUEST_BYTES MAX_CALLBACK_BYTES RETENTION_DAYS
    WEBHOOK_SECRETS WEBHOOK_ALLOW_PRIVATE FETCH_ALLOW_PRIVATE TRUST_PROXY LOG_LEVEL`.split(/\s+/)

  test.each(['', '  '])('variables that are there but hold %j are not set, as in a compose file that passes them on', empty => {
    expect(read(Object.fromEntries(names.map(name => [name, empty])))).toEqual(read())
    expect(read(Object.fromEntries(names.map(name => [`${name}_FILE`, empty])))).toEqual(read())
  })
})

describe('texts', () => {
  test('go where they belong', () => {
    const environment = {
      HOST: '0.0.0.0',
      DATA_DIR: '/var/lib/darkroom',
      SANDBOX_FAULTS: 'drop',
      PROVIDER_EDITS_PATH: '/v1/images/edits',
    }
    expect(read(environment)).toMatchObject({
      host: '0.0.0.0',
      dataDir: '/var/lib/darkroom',
      sandboxFaults: 'drop',
      providerEditsPath: '/v1/images/edits',
    })
  })

  test.each(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent', 'DEBUG'])('LOG_LEVEL may be %s', level => {
    expect(read({ LOG_LEVEL: level }).logLevel).toBe(level.toLowerCase())
  })

  test('LOG_LEVEL must be one that there is', () => {
    expect(problemsOf({ LOG_LEVEL: 'verbose' })).toEqual([
      'LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent',
    ])
  })
})

describe('the provider', () => {
  test('is the sandbox without a key, and the real one with it', () => {
    expect(read()).toMatchObject({ provider: 'sandbox', providerApiKey: null })
    expect(read(real)).toMatchObject({ provider: 'xhuoapi', providerApiKey: 'provider-key' })
    expect(read({ ...real, PROVIDER: 'sandbox' }).provider).toBe('sandbox')
    expect(read({ ...real, PROVIDER: 'xhuoapi' }).provider).toBe('xhuoapi')
  })

  test('is one of the two', () => {
    expect(problemsOf({ PROVIDER: 'openai' })).toEqual(['PROVIDER must be sandbox or xhuoapi'])
  })

  test('needs its key', () => {
    const { PROVIDER_API_KEY: _key, ...without } = real
    expect(problemsOf({ ...without, PROVIDER: 'xhuoapi' })).toEqual(['PROVIDER_API_KEY is needed for PROVIDER=xhuoapi'])
  })

  test('that is real is not open to everybody by mistake', () => {
    const { API_KEYS: _keys, ...open } = real
    expect(problemsOf(open)).toEqual([expect.stringMatching(/^API_KEYS must be set .*ALLOW_ANONYMOUS=true/)])
    expect(problemsOf({ ...open, ADMIN_KEY: 'admin' })).toHaveLength(1)
    expect(read({ ...open, ALLOW_ANONYMOUS: 'true' })).toMatchObject({ provider: 'xhuoapi', apiKeys: [], allowAnonymous: true })
  })

  test('that is the sandbox may be open', () => {
    expect(problemsOf({ HOST: '0.0.0.0' })).toEqual([])
  })

  test('may have no tasks path, so that it is never asked', () => {
    for (const path of ['', '  ']) expect(read({ ...real, PROVIDER_TASKS_PATH: path }).providerTasksPath).toBe('')
    expect(read({ ...real, PROVIDER_TASKS_PATH: '/tasks' }).providerTasksPath).toBe('/tasks')
  })

  test('needs a public URL or a tasks path, or no result could reach us', () => {
    const { PUBLIC_URL: _url, ...unreachable } = real
    expect(read(unreachable)).toMatchObject({ publicUrl: null, providerTasksPath: '/openai/tasks' })
    expect(problemsOf({ ...unreachable, PROVIDER_TASKS_PATH: '' })).toEqual([expect.stringMatching(/^PUBLIC_URL must be set/)])
    // The sandbox always reaches us.
    expect(problemsOf({ PROVIDER_TASKS_PATH: '' })).toEqual([])
  })
})

describe('settings that are wrong', () => {
  const marker = 'LEAKED'
  const wrong: Environment = {
    PORT: marker,
    PUBLIC_URL: `ftp://${marker}`,
    SECRET: marker,
    PROVIDER: marker,
    PROVIDER_API_KEY: `${marker} ${marker}`,
    PROVIDER_BASE_URL: marker,
    SANDBOX_DELAY_MS: marker,
    API_KEYS: `${marker},${marker}:a b`,
    ADMIN_KEY_FILE: `/${marker}`,
    ALLOW_ANONYMOUS: marker,
    MAX_IN_FLIGHT: marker,
    RETENTION_DAYS: `-${marker}`,
    WEBHOOK_SECRETS: marker,
    TRUST_PROXY: marker,
    LOG_LEVEL: marker,
  }

  test('are all named at once', () => {
    const problems = problemsOf(wrong)
    for (const name of Object.keys(wrong)) expect(problems.filter(problem => problem.startsWith(name))).not.toEqual([])
  })

  test('are named with what is wrong of those that others read', () => {
    const faultsProblem = (text: string): string => `SANDBOX_FAULTS: ${text.length} wrong`
    expect(() => readConfig({ PORT: 'x', SANDBOX_FAULTS: 'nonsense' }, { faultsProblem })).toThrow(
      /^PORT must be .*\nSANDBOX_FAULTS: 8 wrong$/,
    )
  })

  test('are named without their values', () => {
    expect(problemsOf(wrong).join('\n')).not.toContain(marker)
    expect(() => read(wrong)).toThrow(ConfigError)
    try {
      read(wrong)
    } catch (error) {
      expect(error instanceof Error && `${error.stack}${String(error.cause)}`).not.toContain(marker)
    }
  })

  test('are a line each in the message', () => {
    expect(() => read({ PORT: 'x', LOG_LEVEL: 'y' })).toThrow(
      expect.objectContaining({ name: 'ConfigError', message: problemsOf({ PORT: 'x', LOG_LEVEL: 'y' }).join('\n') }),
    )
    expect(problemsOf({ PORT: 'x', LOG_LEVEL: 'y' })).toHaveLength(2)
  })
})
