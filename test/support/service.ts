import { onTestFinished } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { readConfig } from '../../src/config.ts'
import type { Clock, Log } from '../../src/domain/ports.ts'
import type { JobView } from '../../src/domain/view.ts'
import { type Service, startService } from '../../src/wire.ts'
import { testFolder } from './folder.ts'

export type LogLine = { level: 'info' | 'warn' | 'error'; event: string; fields: Record<string, unknown> }

/** Keeps what is logged, as data. */
export function testLog(): Log & { lines: LogLine[] } {
  const lines: LogLine[] = []
  const at = (level: LogLine['level']) => (fields: object, event: string) => {
    lines.push({ level, event, fields: { ...fields } })
  }
  return { lines, info: at('info'), warn: at('warn'), error: at('error') }
}

export type Running = Service & {
  url: string
  log: ReturnType<typeof testLog>
  /** Errors that the store could not go on after. */
  fatal: Error[]
  call(path: string, init?: RequestInit): Promise<Response>
  /** POSTs JSON to /jobs. */
  submit(body: unknown, headers?: Record<string, string>): Promise<Response>
  /** Reads a job, holding on until it is final. */
  ended(jobId: string): Promise<JobView>
}

/** The real service on a free port, on its sandbox unless the settings say otherwise; closed when the test ends. */
export async function startTestService(
  settings: Record<string, string> = {},
  parts: { clock?: Clock; chance?: () => number; onAnswered?: (fields: object) => void } = {},
): Promise<Running> {
  const log = testLog()
  const fatal: Error[] = []
  const config = readConfig({
    PORT: '0',
    SANDBOX_DELAY_MS: '30',
    RATE_LIMIT_MAX: '100000',
    DATA_DIR: settings['DATA_DIR'] ?? (await testFolder()),
    ...settings,
  })
  const service = await startService(config, {
    clock: parts.clock ?? systemClock,
    log,
    chance: parts.chance ?? (() => 0.5),
    version: '0.0.0',
    onFatal: error => fatal.push(error),
    ...(parts.onAnswered === undefined ? {} : { onAnswered: parts.onAnswered }),
  })
  onTestFinished(() => service.close(5_000))
  const address = service.app.server.address()
  if (address === null || typeof address === 'string') throw new Error('the service does not listen on a port')
  const url = `http://127.0.0.1:${address.port}`
  const call = (path: string, init?: RequestInit): Promise<Response> => fetch(`${url}${path}`, init)
  return {
    ...service,
    url,
    log,
    fatal,
    call,
    submit: (body, headers = {}) =>
      call('/jobs', { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) }),
    async ended(jobId) {
      const response = await call(`/jobs/${jobId}?wait=20`)
      if (response.status !== 200) throw new Error(`GET /jobs/${jobId} answered ${response.status}`)
      return (await response.json()) as JobView
    },
  }
}
