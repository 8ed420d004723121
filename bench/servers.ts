import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { apiKey, owner, secret } from './prepare.ts'

export type Server = {
  port: number
  /** Resident memory, in bytes; null where the system does not tell. */
  /** Processor time that the process has used, of all its threads; null where the system does not tell. */
  cpuMs(): number | null
  memory: { now(): number | null; resetPeak(): void; peak(): number | null }
  close(): Promise<void>
}

const mainFile = join(import.meta.dirname, '..', 'src', 'main.ts')
const readyWithinMs = 15_000
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

/** Reads one of Linux' figures of a process' memory; other systems have no such file. */
function memoryOf(pid: number): Server['memory'] {
  const read = (name: string): number | null => {
    try {
      const kilobytes = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
      return kilobytes === undefined ? null : Number(kilobytes) * 1_024
    } catch {
      return null
    }
  }
  return {
    now: () => read('VmRSS'),
    peak: () => read('VmHWM'),
    resetPeak() {
      try {
        writeFileSync(`/proc/${pid}/clear_refs`, '5')
      } catch {
        // Then the peak is that of the process' whole life, which is no smaller.
      }
    },
  }
}

const msPerTick = 10

function cpuOf(pid: number): number | null {
  try {
    // The process' name, in brackets, is the only field that may hold a blank.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) * msPerTick
  } catch {
    return null
  }
}

function serverOf(child: ChildProcess, port: number, lastWords: () => string): Server {
  const { pid } = child
  if (pid === undefined) throw new Error('a server could not be started')
  const onExit = (code: number | null, signal: string | null): void =>
    console.error(`a server ended by itself (${signal ?? code}): ${lastWords()}`)
  child.once('exit', onExit)
  const close = (): Promise<void> => {
    child.off('exit', onExit)
    return end(child)
  }
  return { port, cpuMs: () => cpuOf(pid), memory: memoryOf(pid), close }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), closeWithinMs)
  await exited
  clearTimeout(timer)
}

/** As in package.json's start script. */
const nodeOptions = ['--max-semi-space-size=4']

/** Starts the service as `npm start` does, with the settings of one that runs in earnest, on a data folder of its own. */
export async function startDarkroom(dataDir: string): Promise<Server> {
  const port = await freePort()
  const logPath = join(dataDir, 'service.log')
  const lastWords = (): string => readFileSync(logPath, 'utf8').slice(-2_000)
  const log = openSync(logPath, 'a')
  const child = spawn(process.execPath, [...nodeOptions, mainFile], {
    stdio: ['ignore', log, log],
    env: {
      ...Object.fromEntries(['PATH', 'HOME', 'TMPDIR'].map(name => [name, process.env[name]])),
      HOST: '127.0.0.1',
      PORT: String(port),
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      DATA_DIR: dataDir,
      SECRET: secret,
      API_KEYS: `${owner}:${apiKey}`,
      PROVIDER: 'xhuoapi',
      PROVIDER_API_KEY: 'none',
      // Nothing listens there: there is nothing to submit, and nothing is due to be asked for.
      PROVIDER_BASE_URL: 'http://127.0.0.1:9/v1',
      // Counted as ever, but never exceeded.
      RATE_LIMIT_MAX: '1000000000',
      // The pictures' host is on this machine.
      FETCH_ALLOW_PRIVATE: 'true',
    },
  })
  // Its own log says so: what answers on the port might be somebody else's.
  const deadline = Date.now() + readyWithinMs
  while (!readFileSync(logPath, 'utf8').includes('"service.ready"')) {
    await sleep(50)
    if (child.exitCode === null && Date.now() < deadline) continue
    await end(child)
    throw new Error(`the service did not start:\n${lastWords()}`)
  }
  return serverOf(child, port, lastWords)
}

/** Starts Fastify with nothing behind it. */
export async function startBare(answersPath: string, folder: string): Promise<Server> {
  const child = fork(join(import.meta.dirname, 'bare.ts'), [answersPath, folder])
  const answer: unknown[] = await Promise.race([once(child, 'message'), once(child, 'exit')])
  const [message] = answer
  if (typeof message !== 'object' || message === null || !('port' in message) || typeof message.port !== 'number') {
    await end(child)
    throw new Error('bare Fastify did not start')
  }
  return serverOf(child, message.port, () => 'bare Fastify')
}
