import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import packageOfDarkroom from '../package.json' with { type: 'json' }
import type { Later } from './cleanup.ts'
import { figuresOf, type ProcessFigures } from './process-figures.ts'
import { apiKey, owner, secret } from './rows/identity.ts'

export type Server = {
  port: number
  figures: ProcessFigures
  /** From the start of its process until `/readyz` answered 200; NaN for those that have no such route. */
  readyAfterMs: number
  close: () => Promise<void>
}

const root = join(import.meta.dirname, '..')
const readyWithinMs = 60_000
const lookEveryMs = 5
const closeWithinMs = 12_000

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || address === null) throw new Error('no port could be had')
  return address.port
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), closeWithinMs)
  await exited
  clearTimeout(timer)
}

function serverOf(child: ChildProcess, port: number, readyAfterMs: number, lastWords: () => string): Server {
  const { pid } = child
  if (pid === undefined) throw new Error('a server could not be started')
  const onExit = (code: number | null, signal: string | null): void =>
    console.error(`a server ended by itself (${signal ?? code}): ${lastWords()}`)
  child.once('exit', onExit)
  const close = (): Promise<void> => {
    child.off('exit', onExit)
    return end(child)
  }
  return { port, figures: figuresOf(pid), readyAfterMs, close }
}

/** Node's own options in the start script of package.json. */
const nodeOptions = packageOfDarkroom.scripts.start.split(' ').filter(word => word.startsWith('--'))

/** The settings of one that runs in earnest. What they do not name has its default, the log's level among it. */
function settingsOf(dataDir: string, port: number, more: Readonly<Record<string, string>>): Record<string, string> {
  return {
    HOST: '127.0.0.1',
    PORT: String(port),
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    DATA_DIR: dataDir,
    SECRET: secret,
    API_KEYS: `${owner}:${apiKey}`,
    PROVIDER: 'xhuoapi',
    PROVIDER_API_KEY: 'none',
    // Nothing listens there: where nothing is submitted, nothing is due to be asked for either.
    PROVIDER_BASE_URL: 'http://127.0.0.1:9/v1',
    // Counted as ever, but never exceeded.
    RATE_LIMIT_MAX: '1000000000',
    // The pictures' host is on this machine.
    FETCH_ALLOW_PRIVATE: 'true',
    ...more,
  }
}

async function isReady(port: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`)
    await answer.arrayBuffer()
    return answer.status === 200
  } catch {
    return false
  }
}

/** As in tools/run.js, which is not used itself because it reads `.env`. */
const compileCache = join(root, 'node_modules', '.cache', 'compiled')

/**
 * Starts the service as `npm start` does, on a data folder of its own, without reading `.env`. Resolves when it is ready.
 * @param more further settings.
 */
export async function startDarkroom(later: Later, dataDir: string, more: Readonly<Record<string, string>> = {}): Promise<Server> {
  mkdirSync(dataDir, { recursive: true })
  const port = await freePort()
  const logPath = join(dataDir, 'service.log')
  const words = (): string => readFileSync(logPath, 'utf8')
  const lastWords = (): string => words().slice(-2_000)
  const log = openSync(logPath, 'w')
  const environment = Object.fromEntries(['PATH', 'HOME', 'TMPDIR'].map(name => [name, process.env[name]]))
  const startedAt = performance.now()
  const child = spawn(process.execPath, [...nodeOptions, join(root, 'src', 'main.ts')], {
    stdio: ['ignore', log, log],
    env: { ...environment, NODE_COMPILE_CACHE: compileCache, ...settingsOf(dataDir, port, more) },
  })
  closeSync(log)
  later(() => end(child))
  while (!(await isReady(port))) {
    await sleep(lookEveryMs)
    if (child.exitCode === null && performance.now() - startedAt < readyWithinMs) continue
    throw new Error(`the service did not start:\n${lastWords()}`)
  }
  const readyAfterMs = performance.now() - startedAt
  // Its own log says so too: what answers on the port might be somebody else's.
  while (!words().includes('"service.ready"')) {
    await sleep(lookEveryMs)
    if (child.exitCode !== null) throw new Error(`the service did not start:\n${lastWords()}`)
  }
  const server = serverOf(child, port, readyAfterMs, lastWords)
  later(() => server.close())
  return server
}

/**
 * Starts one of the bench's own programs (`rivals/bare`): what the service is measured against, or stands on. It tells its port
 * when it listens.
 */
export async function startProgram(
  later: Later,
  name: string,
  args: readonly string[] = [],
): Promise<Server & { child: ChildProcess }> {
  const startedAt = performance.now()
  const child = fork(join(import.meta.dirname, `${name}.ts`), [...args])
  later(() => end(child))
  const answer: unknown[] = await Promise.race([once(child, 'message'), once(child, 'exit')])
  const [message] = answer
  if (typeof message !== 'object' || message === null || !('port' in message) || typeof message.port !== 'number')
    throw new Error(`${name} did not start`)
  const server = serverOf(child, message.port, performance.now() - startedAt, () => name)
  later(() => server.close())
  return { ...server, child }
}
