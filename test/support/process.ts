import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

const root = join(import.meta.dirname, '..', '..')

export type ServiceProcess = {
  url: string
  child: ChildProcess
  /** What it logged, parsed; lines that are no JSON are left out. */
  lines: () => Record<string, unknown>[]
  /** Resident memory now, in bytes. */
  residentBytes(): number
  /** Ends it with a signal; gives its exit code, or the signal's name. */
  end(signal: NodeJS.Signals): Promise<number | string | null>
}

/** Below those that systems give to whoever asks for any, and to every connection that leaves. */
const portsFrom = 10_000
const portsTo = 32_000

/**
 * A port that was free a moment ago. It is one by chance, of those that nobody gets without asking for it: one that the system gave
 * would be given to the next who asks, before the service is there.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(portsFrom, portsTo)
    const server = createServer()
    const isFree = await new Promise<boolean>(resolve => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    await new Promise(resolve => server.close(resolve))
    if (isFree) return port
  }
}

/** The service as `npm start` runs it, in a process of its own; killed when the test ends. */
export async function startProcess(
  settings: Record<string, string> & { PORT: string; DATA_DIR: string },
): Promise<ServiceProcess> {
  const child = spawn(process.execPath, [join(root, 'src', 'main.ts')], {
    env: { PATH: process.env['PATH'], SANDBOX_DELAY_MS: '30', RATE_LIMIT_MAX: '100000', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const ended = new Promise<number | string | null>(resolve => child.once('exit', (code, signal) => resolve(code ?? signal)))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  await new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString()
      if (output.includes('service.ready')) resolve()
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.once('exit', code => reject(new Error(`the service ended with ${code}: ${output}`)))
  })
  return {
    url: `http://127.0.0.1:${settings.PORT}`,
    child,
    lines: () =>
      output
        .split('\n')
        .filter(line => line.startsWith('{'))
        .map(line => JSON.parse(line) as Record<string, unknown>),
    residentBytes() {
      const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? []
      return Number(kilobytes) * 1_024
    },
    async end(signal) {
      child.kill(signal)
      return ended
    },
  }
}
