import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { resolve } from 'node:path'

/** Everything that can be set, checked. Secrets are in here: never log it whole. */
export type Config = {
  host: string
  port: number
  /** Where the provider reaches us and what our URLs begin with, without a slash at its end; null: not set. */
  publicUrl: string | null
  dataDir: string
  /** Newest first; empty: kept in the data folder. */
  secrets: readonly string[]
  provider: 'sandbox' | 'xhuoapi'
  providerApiKey: string | null
  providerBaseUrl: string
  providerEditsPath: string
  /** '': never ask. */
  providerTasksPath: string
  sandboxPort: number
  sandboxDelayMs: number
  sandboxFaults: string
  /** A name may have several secrets; no two have the same. */
  apiKeys: readonly { name: string; secret: string }[]
  /** They stand in a file, which may be read again. */
  areApiKeysInFile: boolean
  adminKey: string | null
  allowAnonymous: boolean
  maxInFlight: number
  jobTimeoutS: number
  submitTimeoutMs: number
  pollAfterS: number
  pollEveryS: number
  rateLimitMax: number
  rateLimitWindowS: number
  /** How long a held call of OpenAI's interface, and `?wait=`, may take. */
  answerWithinS: number
  waitMaxS: number
  maxImageBytes: number
  maxRequestBytes: number
  maxCallbackBytes: number
  retentionDays: number
  webhookSecrets: readonly string[]
  webhookAllowPrivate: boolean
  fetchAllowPrivate: boolean
  trustProxy: readonly string[]
  logLevel: string
}

/** All that is wrong with the settings, a line each; no value is in it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

export type SettingsTools = {
  readFile?: (path: string) => string
  /** What is wrong with the text of SANDBOX_FAULTS, which only the sandbox knows; null: nothing. */
  faultsProblem?: (text: string) => string | null
}

export type Environment = Readonly<Record<string, string | undefined>>

const mebibyte = 2 ** 20
const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

const readText = (path: string): string => readFileSync(path, 'utf8')

/** Whether a client can send it as `Authorization: Bearer …`, and a server reads it unchanged. */
function isBearer(value: string): boolean {
  return /^[\x21-\x7e]+$/.test(value)
}

/** Reads single settings, and collects what is wrong with them. */
function makeReader(environment: Environment, readFile: (path: string) => string) {
  const problems: string[] = []
  const text = (name: string): string | null => environment[name]?.trim() ?? null
  /** An empty variable is one that is not set, as in a compose file that passes it on. */
  const given = (name: string): string | null => text(name) || null

  function secret(name: string): string | null {
    const path = given(`${name}_FILE`)
    if (path === null) return given(name)
    if (given(name) !== null) problems.push(`${name} and ${name}_FILE: set only one of them`)
    try {
      const value = readFile(path).trim()
      // An empty file is a mistake, not a choice: without its key the service would run open, or on the sandbox.
      if (value === '') problems.push(`${name}_FILE: the file is empty`)
      return value || null
    } catch {
      problems.push(`${name}_FILE: the file cannot be read`)
      return null
    }
  }
  /** A secret that travels in an Authorization header. */
  function key(name: string): string | null {
    const value = secret(name)
    if (value !== null && !isBearer(value)) problems.push(`${name} must be printable ASCII without white space`)
    return value
  }
  function integer(name: string, fallback: number, min: number, max: number): number {
    const value = given(name)
    if (value === null) return fallback
    const number = Number(value)
    if (/^\d+$/.test(value) && number >= min && number <= max) return number
    problems.push(`${name} must be a whole number from ${min} to ${max}`)
    return fallback
  }
  function flag(name: string): boolean {
    const value = given(name)?.toLowerCase() ?? 'false'
    if (value !== 'true' && value !== 'false' && value !== '1' && value !== '0') problems.push(`${name} must be true or false`)
    return value === 'true' || value === '1'
  }
  function httpUrl(name: string): string | null {
    const value = given(name)
    if (value === null) return null
    // The parser drops tabs and newlines, but the text is used as it is given.
    const url = /\s/.test(value) ? null : URL.parse(value)
    const isPlain = url?.username === '' && url.password === '' && /^https?:\/\/[^?#]+$/i.test(value)
    if (!isPlain) problems.push(`${name} must be an http(s) URL without a query, such as https://darkroom.example.com`)
    return value.replace(/\/+$/, '')
  }
  return { problems, text, given, secret, key, integer, flag, httpUrl }
}

type Reader = ReturnType<typeof makeReader>

function readApiKeys(read: Reader): Config['apiKeys'] {
  const value = read.secret('API_KEYS')
  if (value === null) return []
  const keys = value.split(',').map(pair => {
    const at = pair.indexOf(':')
    return { name: pair.slice(0, Math.max(0, at)).trim(), secret: pair.slice(at + 1).trim() }
  })
  if (keys.some(({ name, secret }) => !/^[\w.-]{1,64}$/.test(name) || secret === ''))
    read.problems.push('API_KEYS must be name:secret,name:secret, the names of letters, digits, . _ -')
  if (keys.some(({ secret }) => secret !== '' && !isBearer(secret)))
    read.problems.push('API_KEYS: a secret must be printable ASCII without white space')
  // A name may have several, for the time of a change; a secret that two names had would be somebody else's key.
  if (new Set(keys.map(key => key.secret)).size !== keys.length) read.problems.push('API_KEYS: a secret stands there twice')
  return keys
}

function isCidr(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/')
  const version = isIP(address)
  if (version === 0 || rest.length > 0 || address.includes('%')) return false
  // A network of 0 bits is everybody, which the proxies' library refuses with an error of its own.
  return bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
}

function readTrustProxy(read: Reader): string[] {
  const items = (read.given('TRUST_PROXY') ?? '').split(/[\s,]+/).filter(item => item !== '')
  if (!items.every(isCidr)) read.problems.push('TRUST_PROXY must be addresses or CIDRs, such as 172.16.0.0/12')
  return items
}

function readWebhookSecrets(read: Reader): string[] {
  const items = (read.secret('WEBHOOK_SECRETS') ?? '').split(/\s+/).filter(item => item !== '')
  const good = items.every(item => /^whsec_[A-Za-z0-9+/]+={0,2}$/.test(item) && Buffer.from(item.slice(6), 'base64').length >= 16)
  if (!good) read.problems.push('WEBHOOK_SECRETS must be whsec_ and base64 of 16 bytes at least, space-separated')
  return items
}

function readSecrets(read: Reader): string[] {
  const items = (read.secret('SECRET') ?? '').split(/\s+/).filter(item => item !== '')
  if (items.some(item => item.length < 16)) read.problems.push('SECRET must have 16 characters at least')
  return items
}

function readProvider(
  read: Reader,
): Pick<Config, 'provider' | 'providerApiKey' | 'providerBaseUrl' | 'providerEditsPath' | 'providerTasksPath'> {
  const providerApiKey = read.key('PROVIDER_API_KEY')
  const named = read.given('PROVIDER') ?? (providerApiKey === null ? 'sandbox' : 'xhuoapi')
  if (named !== 'sandbox' && named !== 'xhuoapi') read.problems.push('PROVIDER must be sandbox or xhuoapi')
  const provider = named === 'xhuoapi' ? 'xhuoapi' : 'sandbox'
  if (provider === 'xhuoapi' && providerApiKey === null) read.problems.push('PROVIDER_API_KEY is needed for PROVIDER=xhuoapi')
  return {
    provider,
    providerApiKey,
    providerBaseUrl: read.httpUrl('PROVIDER_BASE_URL') ?? 'https://api.xhuoapi.ai/v1',
    providerEditsPath: read.given('PROVIDER_EDITS_PATH') ?? '/openai/images/edits',
    // Set but empty is a choice here: never ask.
    providerTasksPath: read.text('PROVIDER_TASKS_PATH') ?? '/openai/tasks',
  }
}

function checkTogether(config: Config, problems: string[]): void {
  if (config.apiKeys.some(key => key.secret === config.adminKey)) problems.push('ADMIN_KEY must not be one of API_KEYS')
  if (config.provider === 'sandbox') return
  if (config.apiKeys.length === 0 && !config.allowAnonymous)
    problems.push(
      'API_KEYS must be set with a real provider, or everybody could spend its credits (ALLOW_ANONYMOUS=true allows it)',
    )
  if (config.publicUrl === null && config.providerTasksPath === '')
    problems.push('PUBLIC_URL must be set where PROVIDER_TASKS_PATH is empty: no result could reach us')
}

/**
 * Reads the settings. The only reader of the environment.
 * @throws ConfigError that names everything that is wrong.
 */
export function readConfig(environment: Environment, { readFile = readText, faultsProblem }: SettingsTools = {}): Config {
  const read = makeReader(environment, readFile)
  const { integer, flag } = read
  const logLevel = read.given('LOG_LEVEL')?.toLowerCase() ?? 'info'
  if (!logLevels.includes(logLevel)) read.problems.push(`LOG_LEVEL must be one of ${logLevels.join(', ')}`)
  const config: Config = {
    host: read.given('HOST') ?? '127.0.0.1',
    port: integer('PORT', 3000, 0, 65_535),
    publicUrl: read.httpUrl('PUBLIC_URL'),
    dataDir: resolve(read.given('DATA_DIR') ?? './data'),
    secrets: readSecrets(read),
    ...readProvider(read),
    sandboxPort: integer('SANDBOX_PORT', 0, 0, 65_535),
    sandboxDelayMs: integer('SANDBOX_DELAY_MS', 2_000, 0, 86_400_000),
    sandboxFaults: read.given('SANDBOX_FAULTS') ?? '',
    apiKeys: readApiKeys(read),
    areApiKeysInFile: read.given('API_KEYS_FILE') !== null,
    adminKey: read.key('ADMIN_KEY'),
    allowAnonymous: flag('ALLOW_ANONYMOUS'),
    maxInFlight: integer('MAX_IN_FLIGHT', 50, 1, 100_000),
    // The provider's own time for a task is 1,800 s, from when it begins it.
    jobTimeoutS: integer('JOB_TIMEOUT_S', 2_400, 1, 604_800),
    submitTimeoutMs: integer('SUBMIT_TIMEOUT_MS', 30_000, 1, 3_600_000),
    pollAfterS: integer('POLL_AFTER_S', 120, 0, 604_800),
    pollEveryS: integer('POLL_EVERY_S', 30, 1, 86_400),
    rateLimitMax: integer('RATE_LIMIT_MAX', 120, 1, 1_000_000_000),
    rateLimitWindowS: integer('RATE_LIMIT_WINDOW_S', 60, 1, 86_400),
    answerWithinS: integer('ANSWER_WITHIN_S', 280, 1, 600),
    waitMaxS: integer('WAIT_MAX_S', 90, 1, 600),
    maxImageBytes: integer('MAX_IMAGE_BYTES', 50 * mebibyte, 1, 2 ** 40),
    maxRequestBytes: integer('MAX_REQUEST_BYTES', 256 * mebibyte, 1, 2 ** 40),
    maxCallbackBytes: integer('MAX_CALLBACK_BYTES', 512 * mebibyte, 1, 2 ** 40),
    retentionDays: integer('RETENTION_DAYS', 30, 0, 36_500),
    webhookSecrets: readWebhookSecrets(read),
    webhookAllowPrivate: flag('WEBHOOK_ALLOW_PRIVATE'),
    fetchAllowPrivate: flag('FETCH_ALLOW_PRIVATE'),
    trustProxy: readTrustProxy(read),
    logLevel,
  }
  const faults = faultsProblem?.(config.sandboxFaults) ?? null
  if (faults !== null) read.problems.push(faults)
  checkTogether(config, read.problems)
  if (read.problems.length > 0) throw new ConfigError(read.problems)
  return config
}

/**
 * API_KEYS as they are in their file now.
 * @throws ConfigError, as above.
 */
export function rereadApiKeys(environment: Environment, config: Config): Config['apiKeys'] {
  const read = makeReader(environment, readText)
  const apiKeys = readApiKeys(read)
  checkTogether({ ...config, apiKeys }, read.problems)
  if (read.problems.length > 0) throw new ConfigError(read.problems)
  return apiKeys
}

/** The name of every variable that is looked at, those that name a file (`…_FILE`) too. */
export function settingNames(): string[] {
  const names = new Set<string>()
  readConfig(new Proxy<Record<string, string | undefined>>({}, { get: (_target, name) => void names.add(String(name)) }))
  return [...names]
}
