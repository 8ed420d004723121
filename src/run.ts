import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pino from 'pino'
import { systemClock } from './clock.ts'
import { type Config, ConfigError, readConfig, rereadApiKeys } from './config.ts'
import { tinyPicture } from './http/schema/examples.ts'
import { isLoopback } from './net/local-url.ts'
import { faultsProblem } from './wire/provider.ts'
import { ProviderIsHere } from './wire/provider-loop.ts'
import { type Service, startService } from './wire.ts'

/** The service closes within this, whatever its sockets do. */
const closeWithinMs = 9_500
/** Without its store it can do no more than answer so: the sooner the next process takes over, the better. */
const closeWithoutStoreWithinMs = 2_000

function readVersion(): string {
  const text = readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')
  // Our own file.
  return (JSON.parse(text) as { version: string }).version
}

function configOrExit(): Config {
  try {
    return readConfig(process.env, { faultsProblem })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    console.error(`darkroom cannot start; ${error.problems.length === 1 ? 'a setting is' : 'settings are'} wrong:`)
    for (const problem of error.problems) console.error(`  - ${problem}`)
    process.exit(1)
  }
}

/** For the person at the keyboard; programs read the log. */
function greet(service: Service, config: Config): void {
  const key = config.apiKeys.length === 0 ? '' : " -H 'authorization: Bearer YOUR_API_KEY'"
  const body = `{"prompt": "dark mode", "image": "data:image/png;base64,${tinyPicture}"}`
  console.error(`
darkroom listens at ${service.baseUrl()}, on its own sandbox provider: nothing is charged.
Its data lies in ${service.dataDir}. Try:

  curl -s ${service.baseUrl()}/jobs${key} -H 'content-type: application/json' -d '${body}'
`)
}

function warnOf(config: Config, log: pino.Logger): void {
  if (config.apiKeys.length === 0 && !isLoopback(config.host))
    log.warn({ setting: 'API_KEYS' }, 'no API keys: everybody who reaches this address may submit')
  if (config.adminKey !== null && config.apiKeys.length === 0)
    log.warn(
      { setting: 'ADMIN_KEY' },
      'ADMIN_KEY without API_KEYS: everything but /metrics is open to everybody, every job included',
    )
  if (config.publicUrl !== null && isLoopback(new URL(config.publicUrl).hostname))
    log.warn({ setting: 'PUBLIC_URL' }, 'PUBLIC_URL leads to this machine itself: nobody else reaches it')
  else if (config.publicUrl !== null && !/^https:/i.test(config.publicUrl))
    log.warn({ setting: 'PUBLIC_URL' }, 'PUBLIC_URL is not https: callbacks and pictures travel unencrypted')
  if (config.publicUrl === null && config.provider !== 'sandbox')
    log.warn({ setting: 'PUBLIC_URL' }, 'PUBLIC_URL is not set: poll mode, results are asked for instead of called back')
}

/** Takes API keys as their file has them now. One that is not right changes nothing. */
function readKeysAgain(config: Config, service: Service, log: pino.Logger): void {
  try {
    const apiKeys = rereadApiKeys(process.env, config)
    service.replaceApiKeys(apiKeys)
    log.info({ names: [...new Set(apiKeys.map(key => key.name))] }, 'api_keys.read_again')
  } catch (error) {
    const problems = error instanceof ConfigError ? error.problems : [String(error)]
    log.error({ problems }, 'api_keys.not_read')
  }
}

/** Why it did not start, for the person at the keyboard. */
function startProblem(error: unknown, config: Config): string {
  if (!(error instanceof Error)) return String(error)
  const inUse = 'code' in error && error.code === 'EADDRINUSE'
  return inUse ? `port ${config.port} is in use: stop what listens there, or set PORT` : error.message
}

/** Runs the service until it is told to stop. */
export async function run(): Promise<void> {
  const config = configOrExit()
  // Prompts and pictures are nobody else's on this machine.
  process.umask(0o077)
  // Some lines at a time, a tenth of a second late at most: no request waits for its line.
  const output = pino.destination({ dest: 1, sync: false, minLength: 16_000, periodicFlush: 100 })
  const log = pino({ level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime }, output)
  let service: Service | null = null
  let stopping = false

  const exit: (code: number) => never = code => {
    try {
      output.flushSync()
    } catch {
      // Nobody reads any more.
    }
    process.exit(code)
  }
  const stop = async (reason: string, exitCode: number, withinMs = closeWithinMs): Promise<void> => {
    if (stopping) return
    stopping = true
    log.info({ reason }, 'service.stopping')
    setTimeout(() => exit(exitCode), withinMs).unref()
    try {
      await service?.close(withinMs)
      log.info({}, 'service.stopped')
    } catch (error) {
      log.error({ err: error }, 'service.close_failed')
    }
    exit(exitCode)
  }
  process.on('SIGTERM', () => void stop('SIGTERM', 0))
  process.on('SIGINT', () => void stop('SIGINT', 0))
  // Without a file there is nothing to read again, and the signal ends the process, as that of a terminal that is closed should.
  if (config.areApiKeysInFile) process.on('SIGHUP', () => service !== null && readKeysAgain(config, service, log))
  // What nobody caught leaves a state that nobody knows: the rows are safe, so a fresh process is the surest way on.
  process.on('uncaughtException', error => {
    log.fatal({ err: error }, 'service.crashed')
    exit(1)
  })

  try {
    service = await startService(config, {
      clock: systemClock,
      log,
      chance: Math.random,
      version: readVersion(),
      onFatal: error => {
        const isLoop = error instanceof ProviderIsHere
        log.fatal({ err: error }, isLoop ? 'provider.is_here' : 'store.failed')
        void stop(isLoop ? 'the provider is this service' : 'store failed', 1, closeWithoutStoreWithinMs)
      },
      ...(log.isLevelEnabled('debug') ? { onAnswered: fields => log.debug(fields, 'request.answered') } : {}),
    })
  } catch (error) {
    log.fatal({ err: error }, 'service.cannot_start')
    console.error(`darkroom cannot start: ${startProblem(error, config)}`)
    exit(1)
  }
  warnOf(config, log)
  log.info({ url: service.baseUrl(), provider: config.provider, data: service.dataDir }, 'service.ready')
  if (config.provider === 'sandbox') greet(service, config)
}
