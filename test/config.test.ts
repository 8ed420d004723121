import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Config, ConfigError, readConfig } from '../src/config.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Files by path, in place of the disk. */
const files: Readonly<Record<string, string>> = {
  '/run/secrets/good': ' one-secret-of-a-file \n',
  '/run/secrets/empty': '\n \n',
}

function readFile(path: string): string {
  const text = files[path]
  if (text === undefined) throw new Error(`ENOENT: no such file ${path}`)
  return text
}

const read = (environment: Environment = {}): Config => readConfig(environment, readFile)

/** What is wrong with settings. */
function problemsOf(environment: Environment): readonly string[] {
  try {
    read(environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

const real = { PROVIDER_API_KEY: 'provider-key', API_KEYS: 'alice:secret', PUBLIC_URL: 'https://darkroom.example.com' }

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
      adminKey: null,
      allowAnonymous: false,
      maxInFlight: 50,
      jobTimeoutS: 1_800,
      submitTimeoutMs: 30_000,
      pollAfterS: 120,
      pollEveryS: 30,
      rateLimitMax: 120,
      rateLimitWindowS: 60,
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
    POLL_EVERY_S RATE_LIMIT_MAX RATE_LIMIT_WINDOW_S MAX_IMAGE_BYTES MAX_REQUEST_BYTES MAX_CALLBACK_BYTES RETENTION_DAYS
    WEBHOOK_SECRETS WEBHOOK_ALLOW_PRIVATE FETCH_ALLOW_PRIVATE TRUST_PROXY LOG_LEVEL`.split(/\s+/)

  test.each(['', '  '])('variables that are there but hold %j are not set, as in a compose file that passes them on', empty => {
    expect(read(Object.fromEntries(names.map(name => [name, empty])))).toEqual(read())
    expect(read(Object.fromEntries(names.map(name => [`${name}_FILE`, empty])))).toEqual(read())
  })
})

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

describe('API keys', () => {
  test('are names with secrets, in order', () => {
    expect(read({ API_KEYS: 'alice:s3cret, bob.b-1_x:se:cr=et' }).apiKeys).toEqual([
      { name: 'alice', secret: 's3cret' },
      { name: 'bob.b-1_x', secret: 'se:cr=et' },
    ])
  })

  test.each([
    ['alice', /name:secret/],
    ['alice:', /name:secret/],
    [':secret', /name:secret/],
    ['alice:secret,', /name:secret/],
    [',', /name:secret/],
    ['al ice:secret', /name:secret/],
    ['@admin:secret', /name:secret/],
    [`${'a'.repeat(65)}:secret`, /name:secret/],
    ['alice:two words', /printable ASCII/],
    ['alice:schlüssel', /printable ASCII/],
    ['alice:a,alice:b', /twice/],
    ['alice:a,bob:a', /same secret/],
  ])('must not be %j', (value, why) => {
    expect(problemsOf({ API_KEYS: value })).toContainEqual(expect.stringMatching(why))
  })

  test('are no administrator', () => {
    expect(problemsOf({ API_KEYS: 'alice:same,bob:other', ADMIN_KEY: 'same' })).toEqual(['ADMIN_KEY must not be one of API_KEYS'])
    expect(read({ API_KEYS: 'alice:secret', ADMIN_KEY: 'admin' }).adminKey).toBe('admin')
  })

  test.each(['PROVIDER_API_KEY', 'ADMIN_KEY'])('%s must be something that a header can carry', name => {
    for (const value of ['two words', 'schlüssel', 'a\nb', 'a\0b', 'a\tb'])
      expect(problemsOf({ ...real, [name]: value })).toEqual([`${name} must be printable ASCII without white space`])
  })
})

describe('secrets', () => {
  test('are separated by white space, newest first', () => {
    expect(read({ SECRET: 'new-secret-0123456  old-secret-0123456' }).secrets).toEqual([
      'new-secret-0123456',
      'old-secret-0123456',
    ])
  })

  test('have 16 characters at least, each', () => {
    expect(read({ SECRET: 'x'.repeat(16) }).secrets).toHaveLength(1)
    for (const value of ['x'.repeat(15), `${'x'.repeat(16)} short`])
      expect(problemsOf({ SECRET: value })).toEqual(['SECRET must have 16 characters at least'])
  })

  const webhookSecret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`

  test('for webhooks are base64 with a prefix', () => {
    const short = `whsec_${Buffer.alloc(16, 0xfe).toString('base64')}`
    const vector = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
    expect(read({ WEBHOOK_SECRETS: `${webhookSecret} ${short}\n${vector}` }).webhookSecrets).toEqual([
      webhookSecret,
      short,
      vector,
    ])
  })

  test.each(['secret', 'whsec_', 'whsec_AAAA', `${webhookSecret} x`, `whsec_${'-'.repeat(32)}`, `WHSEC_${'A'.repeat(32)}`])(
    'for webhooks must not be %s',
    value => expect(problemsOf({ WEBHOOK_SECRETS: value })).toEqual([expect.stringMatching(/^WEBHOOK_SECRETS must be whsec_/)]),
  )
})

describe('secrets in files', () => {
  const webhookSecret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`
  test.each<[string, string, (config: Config) => unknown, unknown]>([
    ['SECRET', 'newest-secret-0123\nolder-secret-0123\n', config => config.secrets, ['newest-secret-0123', 'older-secret-0123']],
    ['PROVIDER_API_KEY', 'from-file\n', config => [config.provider, config.providerApiKey], ['xhuoapi', 'from-file']],
    ['API_KEYS', 'alice:a,\nbob:b\n', config => config.apiKeys.map(key => key.name), ['alice', 'bob']],
    ['ADMIN_KEY', ' from-file \r\n', config => config.adminKey, 'from-file'],
    ['WEBHOOK_SECRETS', `${webhookSecret}\n`, config => config.webhookSecrets, [webhookSecret]],
  ])('%s_FILE', (name, content, pick, expected) => {
    const { [name]: _inline, ...others }: Environment = real
    const paths: string[] = []
    const config = readConfig({ ...others, [`${name}_FILE`]: ' /run/secrets/it ' }, path => {
      paths.push(path)
      return content
    })
    expect(pick(config)).toEqual(expected)
    expect(paths).toEqual(['/run/secrets/it'])
  })

  test.each(['SECRET', 'PROVIDER_API_KEY', 'API_KEYS', 'ADMIN_KEY', 'WEBHOOK_SECRETS'])(
    '%s_FILE that is no use is a mistake',
    name => {
      const others = { ...real, [name]: undefined }
      expect(problemsOf({ ...others, [`${name}_FILE`]: '/run/secrets/none' })).toContain(`${name}_FILE: the file cannot be read`)
      expect(problemsOf({ ...others, [`${name}_FILE`]: '/run/secrets/empty' })).toContain(`${name}_FILE: the file is empty`)
      expect(problemsOf({ ...others, [name]: 'x', [`${name}_FILE`]: '/run/secrets/good' })).toContain(
        `${name} and ${name}_FILE: set only one of them`,
      )
    },
  )

  test('a file of the disk is read where nothing else is said', () => {
    // This very file is no list of secrets, and too long a text for a key.
    expect(() => readConfig({ ADMIN_KEY_FILE: import.meta.filename })).toThrow('ADMIN_KEY must be printable ASCII')
    expect(() => readConfig({ ADMIN_KEY_FILE: `${import.meta.filename}.none` })).toThrow(
      'ADMIN_KEY_FILE: the file cannot be read',
    )
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
