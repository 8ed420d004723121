import { describe, expect, test } from 'vitest'
import { type Config, type Environment, readConfig } from '../../src/config.ts'
import { problemsOf, read, real } from './setting.ts'

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
    ['alice:a,alice:a', /a secret stands there twice/],
    ['alice:a,bob:a', /a secret stands there twice/],
  ])('must not be %j', (value, why) => {
    expect(problemsOf({ API_KEYS: value })).toContainEqual(expect.stringMatching(why))
  })

  test('may have several secrets behind one name, for the time of a change', () => {
    expect(read({ API_KEYS: 'shop:new,shop:old,app:other' }).apiKeys).toEqual([
      { name: 'shop', secret: 'new' },
      { name: 'shop', secret: 'old' },
      { name: 'app', secret: 'other' },
    ])
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
    const readFile = (path: string): string => {
      paths.push(path)
      return content
    }
    const config = readConfig({ ...others, [`${name}_FILE`]: ' /run/secrets/it ' }, { readFile })
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
