import { readdir } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { onTestFinished, vi } from 'vitest'
import type { Clock } from '../../src/domain/ports.ts'
import type { JobView } from '../../src/domain/view.ts'
import { type TestClock, testClock } from '../support/clock.ts'
import { type Running, startTestService } from '../support/service.ts'

/** A submit as it came to the provider. */
export type Sent = {
  fields: Record<string, unknown>
  prompt: string
  callbackUrl: string
  /** Not answered where a test leaves it. */
  response: ServerResponse
}

export type FakeProvider = {
  url: string
  submits: Sent[]
  /** What was asked of the tasks endpoint. */
  asked: Record<string, unknown>[]
  /** What it answers with: all of them to a range, those that were named to ids and trace ids. */
  records: Record<string, unknown>[]
  /** As many records as one answer holds. */
  pageSize: number
  /** Answers the tasks endpoint in the place of the records, where a test wants it to. */
  onAsked: ((response: ServerResponse) => void) | null
  /** Breaks all connections. */
  drop(): void
}

export function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

export const failure = (code: string) => ({ success: false, error: { code, message: `it was ${code}` }, trace_id: 'tr-1' })
export const picturesAt = (...urls: string[]) => ({ success: true, created: 1_777_048_863, data: urls.map(url => ({ url })) })

/** Accepts a submit; the id tells which one it was, from 1 on. */
export const accept = ({ response }: Sent, index: number): void => json(response, 200, { task_id: `t-${index + 1}` })

/** A provider that does what a test says with each submit, and holds the records that a test gives it. */
export async function fakeProvider(onSubmit: (sent: Sent, index: number) => void = accept): Promise<FakeProvider> {
  const submits: Sent[] = []
  const asked: Record<string, unknown>[] = []
  const records: Record<string, unknown>[] = []
  const server = createServer((request, response) => {
    // At its start a service asks whether it is itself that answers here.
    if (request.method === 'GET') return json(response, 404, failure('no_api'))
    const chunks: Buffer[] = []
    request.on('error', () => {})
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const fields = fieldsOf(Buffer.concat(chunks).toString())
      if (request.url?.endsWith('/tasks') === true) {
        asked.push(fields)
        if (fake.onAsked !== null) return fake.onAsked(response)
        const ids = fields['ids'] as string[] | undefined
        const traceIds = fields['trace_ids'] as string[] | undefined
        const items = records.filter(
          ({ id, trace_id: traceId }) =>
            (ids === undefined || ids.includes(String(id))) && (traceIds === undefined || traceIds.includes(String(traceId))),
        )
        const offset = Number(fields['offset'])
        return json(response, 200, { items: items.slice(offset, offset + Math.min(fake.pageSize, Number(fields['limit']))) })
      }
      const sent = { fields, prompt: String(fields['prompt']), callbackUrl: String(fields['callback_url']), response }
      onSubmit(sent, submits.push(sent) - 1)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${address.port}`
  const drop = (): void => server.closeAllConnections()
  const fake: FakeProvider = { url, submits, asked, records, pageSize: 1_000, onAsked: null, drop }
  return fake
}

function fieldsOf(body: string): Record<string, unknown> {
  return body.startsWith('{') ? (JSON.parse(body) as Record<string, unknown>) : {}
}

/** What a service needs to take such a server for its provider. Callbacks are the test's to send. */
export const settingsFor = (baseUrl: string): Record<string, string> => ({
  PROVIDER: 'xhuoapi',
  PROVIDER_API_KEY: 'a-key',
  PROVIDER_BASE_URL: baseUrl,
  PUBLIC_URL: 'https://us.example.com',
  ALLOW_ANONYMOUS: 'true',
  // However fast a test lets time pass, no job ends that is not meant to.
  JOB_TIMEOUT_S: '604800',
  FETCH_ALLOW_PRIVATE: 'true',
})

/** The service on a provider of the test's own. */
export async function startOn(
  provider: FakeProvider,
  settings: Record<string, string> = {},
  parts: { clock?: Clock } = {},
): Promise<Running> {
  const service = await startTestService({ ...settingsFor(provider.url), ...settings }, parts)
  // Before the service closes: it would wait for answers that do not come.
  onTestFinished(() => provider.drop())
  return service
}

export const aRequest = { prompt: 'dark mode', image: 'https://example.com/a.png' }

export async function jobOf(response: Response | Promise<Response>): Promise<JobView> {
  const answered = await response
  if (answered.status >= 300) throw new Error(`${answered.status}: ${await answered.text()}`)
  return (await answered.json()) as JobView
}

/** A job that the provider took, on a clock that stands still. */
export async function submitted(settings: Record<string, string> = {}, request: object = {}) {
  const clock = testClock()
  const provider = await fakeProvider()
  const service = await startOn(provider, settings, { clock })
  const job = await jobOf(service.submit({ ...aRequest, ...request }))
  // It was accepted, so there is one.
  return { clock, provider, service, job, sent: provider.submits[0] as Sent }
}

export async function read(service: Running, jobId: string): Promise<JobView> {
  return jobOf(service.call(`/jobs/${jobId}`))
}

/** Waits until a job looks as it is expected to. */
export async function becomes(service: Running, jobId: string, expected: (job: JobView) => boolean): Promise<JobView> {
  return until(async () => {
    const job = await read(service, jobId)
    return expected(job) ? job : null
  })
}

/** Waits for something to be there, or true. */
export async function until<T>(look: () => T | null | undefined | false | Promise<T | null | undefined | false>): Promise<T> {
  return vi.waitFor(
    async () => {
      const found = await look()
      if (found === null || found === undefined || found === false) throw new Error(`still waiting: ${look.toString()}`)
      return found
    },
    // It only ends what hangs.
    { timeout: 240_000, interval: 4 },
  )
}

/** POSTs a callback for a submit, as the provider would; gives the status of the answer. */
export async function callBack(service: Running, { callbackUrl }: Pick<Sent, 'callbackUrl'>, body: unknown): Promise<number> {
  const path = new URL(callbackUrl).pathname
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const response = await service.call(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: text })
  await response.body?.cancel()
  return response.status
}

/** All files that lie in the jobs' folders, as `job/name`. */
export async function filesOf(service: Running): Promise<string[]> {
  const root = join(service.dataDir, 'jobs')
  const folders = await readdir(root)
  const files = await Promise.all(folders.map(async job => (await readdir(join(root, job))).map(name => `${job}/${name}`)))
  return files.flat()
}

/** A server of pictures, that answers as it is told. `asked` are the paths that were asked for. */
export async function pictureServer(
  answer: (response: ServerResponse, count: number) => void,
): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => answer(response, asked.push(request.url ?? '')))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${address.port}/picture.png`, asked }
}

/**
 * Lets time pass until something shows. The smaller the steps, the less time passes while the service is at work between two of
 * them: what is to show within some time has steps that are very much smaller than that.
 */
export async function passUntil<T>(
  clock: TestClock,
  look: () => T | null | false | Promise<T | null | false>,
  stepMs = 1_000,
): Promise<T> {
  return until(async () => {
    await clock.advance(stepMs)
    return look()
  })
}

/** What was asked in the first look for a lost submit: each begins by trace id. */
export function firstLook({ asked }: FakeProvider): Record<string, unknown>[] {
  const next = asked.findIndex((query, index) => index > 0 && 'trace_ids' in query)
  return next === -1 ? asked : asked.slice(0, next)
}

/** Records of the tasks endpoint. */
export const finished = (id: string, response: object = picturesAt('http://127.0.0.1:1/a.png')) => ({
  id,
  response,
  finished_at: 1_761_432_090.2,
})
export const running = (id: string) => ({ id, response: null, finished_at: null })
