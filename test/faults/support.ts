import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { type Agent, createServer, type IncomingHttpHeaders, request, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { onTestFinished } from 'vitest'
import { namedFiles } from '../../src/store/snapshot.ts'
import { testFolder } from '../support/folder.ts'
import { freePort } from '../support/process.ts'

export type Answer = { status: number; headers: IncomingHttpHeaders; text: string }
export type CallOptions = { method?: string; headers?: Record<string, string>; body?: string | Buffer; agent?: Agent }

let asked = 0
/** Ids of requests whose answers came whole. */
const answered = new Set<string>()

/** One request, on a connection of its own where no agent is given. Rejects where there is no whole answer. */
export function call(url: string, { method = 'GET', headers = {}, body, agent }: CallOptions = {}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const id = `asked-${asked++}`
  const sending = request(url, { method, headers: { 'x-request-id': id, ...headers }, agent: agent ?? false }, response => {
    const chunks: Buffer[] = []
    response.on('data', (chunk: Buffer) => chunks.push(chunk))
    response.on('error', reject)
    response.on('end', () => {
      answered.add(id)
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(chunks).toString() })
    })
  })
  sending.on('error', reject)
  sending.end(body)
  return promise
}

/** The same, or null where the service died before its answer was whole. */
export function tryCall(url: string, options: CallOptions = {}): Promise<Answer | null> {
  return call(url, options).catch(() => null)
}

export const asJson = (value: object): CallOptions => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
})

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** A result as the provider writes it. */
export const base64Result = (bytes: Buffer): object => ({
  success: true,
  data: { created: 1_777_000_000, data: [{ b64_json: bytes.toString('base64') }] },
})
export const urlResult = (url: string): object => ({ success: true, created: 1_777_000_000, data: [{ url }] })

export type Submit = { prompt: string; taskId: string; callbackUrl: string }

export type ProviderHooks = {
  /** No submit is ever answered. */
  silent?: boolean
  /** A submit has come whole, and nothing of its answer has left. */
  arrived?: (submit: Submit) => void
  /** Its answer has left. */
  answered?: (submit: Submit) => void
  /** What the records say of a task; null: it is running. */
  result?: (submit: Submit) => object | null
  /** Something was asked for that is neither a submit nor a record: a picture. */
  file?: (response: ServerResponse) => void
}

export type Provider = {
  url: string
  baseUrl: string
  submits: readonly Submit[]
  /** The one submit of a prompt; undefined where it was not submitted. */
  submitOf(prompt: string): Submit | undefined
  hooks: ProviderHooks
}

function readSubmit(body: string, taskId: string): Submit {
  const find = (pattern: RegExp): string => pattern.exec(body)?.[1] ?? ''
  if (body.startsWith('{')) {
    // What the service sends is an object.
    const { prompt, callback_url: callbackUrl } = JSON.parse(body) as Record<string, unknown>
    return { prompt: String(prompt), callbackUrl: String(callbackUrl), taskId }
  }
  return { prompt: find(/name="prompt"\r\n\r\n([^\r]*)/), callbackUrl: find(/name="callback_url"\r\n\r\n([^\r]*)/), taskId }
}

/** A provider in the test's own process, which outlives the service. It calls nobody back: that is the test's to do. */
export async function startProvider(hooks: ProviderHooks = {}): Promise<Provider> {
  const submits: Submit[] = []
  const byPrompt = new Map<string, Submit>()
  const provider: Provider = { url: '', baseUrl: '', submits, submitOf: prompt => byPrompt.get(prompt), hooks }

  function takeSubmit(body: string, response: ServerResponse): void {
    const submit = readSubmit(body, `task-${submits.length}`)
    submits.push(submit)
    byPrompt.set(submit.prompt, submit)
    provider.hooks.arrived?.(submit)
    if (provider.hooks.silent === true) return
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ task_id: submit.taskId }), () => provider.hooks.answered?.(submit))
  }
  function showRecords(body: string, response: ServerResponse): void {
    // What the service asks is known here.
    const { ids, offset = 0, limit = 100 } = JSON.parse(body) as { ids?: string[]; offset?: number; limit?: number }
    const wanted = ids === undefined ? submits : submits.filter(submit => ids.includes(submit.taskId))
    const items = wanted.slice(offset, offset + limit).map(submit => {
      const result = provider.hooks.result?.(submit) ?? null
      const { taskId: id, callbackUrl: callback_url } = submit
      return { id, request: { callback_url }, response: result, finished_at: result === null ? null : 1_777_000_000 }
    })
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ items, count: wanted.length }))
  }

  const server = createServer((incoming, response) => {
    // At its start a service asks whether it is itself that answers here.
    if (incoming.url?.endsWith('/healthz') === true) return void response.writeHead(404).end()
    if (incoming.method === 'GET') return provider.hooks.file?.(response)
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const body = Buffer.concat(chunks).toString('latin1')
      if (incoming.url?.endsWith('/tasks') === true) showRecords(body, response)
      else takeSubmit(body, response)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the provider has no port')
  provider.url = `http://127.0.0.1:${address.port}`
  provider.baseUrl = `${provider.url}/v1`
  return provider
}

export const secret = 'a-secret-for-this-test-only'

/** The settings of a service that can be started again and again on the same data, beside a provider that stays. */
export async function settingsFor(provider: { baseUrl: string }, more: Record<string, string> = {}) {
  const port = String(await freePort())
  return {
    PORT: port,
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    DATA_DIR: more['DATA_DIR'] ?? (await testFolder()),
    SECRET: secret,
    PROVIDER: 'xhuoapi',
    PROVIDER_API_KEY: 'x',
    PROVIDER_BASE_URL: provider.baseUrl,
    ALLOW_ANONYMOUS: 'true',
    FETCH_ALLOW_PRIVATE: 'true',
    MAX_IN_FLIGHT: '100000',
    ...more,
  }
}

export type Settings = Awaited<ReturnType<typeof settingsFor>>

/** Looks into the database as it lies on the disk, beside a service that may be running. */
export function look<T>(dataDir: string, ask: (database: Database.Database) => T): T {
  const database = new Database(join(dataDir, 'darkroom.db'), { readonly: true, timeout: 5_000 })
  try {
    return ask(database)
  } finally {
    database.close()
  }
}

/** What is wrong with a data folder: a damaged database, or a row that names a file which is not there, or is not what the row says. */
export function damage(dataDir: string): string[] {
  return look(dataDir, database => {
    const integrity = database.pragma('integrity_check', { simple: true })
    const problems = integrity === 'ok' ? [] : [`integrity: ${String(integrity)}`]
    for (const row of database.pragma('foreign_key_check') as object[]) problems.push(`foreign key: ${JSON.stringify(row)}`)
    for (const { jobId, file } of namedFiles(database))
      if (!existsSync(join(dataDir, 'jobs', jobId, file))) problems.push(`${jobId}/${file} is not there`)
    const known = database.prepare<[], { job_id: string; file: string; sha256: string; size_bytes: number }>(`
      select job_id, file, sha256, size_bytes from inputs where file is not null
      union all select job_id, file, sha256, size_bytes from images where file is not null`)
    for (const row of known.iterate()) {
      const path = join(dataDir, 'jobs', row.job_id, row.file)
      if (!existsSync(path)) continue
      const bytes = readFileSync(path)
      if (bytes.length !== row.size_bytes || sha256(bytes) !== row.sha256)
        problems.push(`${row.job_id}/${row.file} is not what its row says`)
    }
    return problems
  })
}

export type JobRow = { id: string; status: string; task_status: string; sha256: string | null }

/** The jobs that there are, by their prompts; each has one task and one picture at most. */
export function jobsByPrompt(dataDir: string): Map<string, JobRow> {
  const rows = look(dataDir, database =>
    database
      .prepare<[], JobRow & { prompt: string }>(`
        select jobs.id, prompt, jobs.status, tasks.status as task_status, images.sha256
        from jobs join tasks on tasks.job_id = jobs.id left join images on images.job_id = jobs.id and images.position = 0`)
      .all(),
  )
  return new Map(rows.map(({ prompt, ...row }) => [prompt, row]))
}

/** Prompts that were submitted more than once. */
export function submittedTwice(provider: Provider): string[] {
  const seen = new Set<string>()
  return provider.submits.map(submit => submit.prompt).filter(prompt => seen.has(prompt) || !seen.add(prompt))
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
}

/** Why processes can't be traced here; null where they can. */
export function tracingProblem(): string | null {
  const { error, status } = spawnSync('strace', ['-e', 'trace=none', 'true'])
  if (error !== undefined) return 'strace is not here'
  return status === 0 ? null : 'strace may not trace here'
}

/** Has a service write down each request that it begins to handle: by that it is known which of them it did not answer. */
export async function followRequests(): Promise<{ settings: { NODE_OPTIONS: string }; unanswered: () => string[] }> {
  const folder = await testFolder()
  const file = join(folder, 'begun')
  const script = join(folder, 'follow.mjs')
  await writeFile(file, '')
  await writeFile(
    script,
    `import { subscribe } from 'node:diagnostics_channel'
import { appendFileSync } from 'node:fs'
const note = ({ request }) => appendFileSync(${JSON.stringify(file)}, request.headers['x-request-id'] + '\\n')
subscribe('http.server.request.start', note)
`,
  )
  const begun = (): string[] => readFileSync(file, 'utf8').split('\n')
  return {
    settings: { NODE_OPTIONS: `--import=${script}` },
    unanswered: () => begun().filter(id => id.startsWith('asked-') && !answered.has(id)),
  }
}

export type Tracer = {
  /** What it saw, a line for each call, as far as it has come. */
  lines: () => string[]
  /** Lets the threads go on alone. */
  detach(): Promise<void>
}

/** The threads of a process that have this name. */
export function threadsOf(pid: number, name: string): number[] {
  const ids = readdirSync(`/proc/${pid}/task`).map(Number)
  return ids.filter(id => readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim() === name)
}

/** Traces threads of a running process; with `-f` in the arguments all of it. Resolves when it has them. */
export async function attach(threads: readonly number[], args: readonly string[]): Promise<Tracer> {
  const file = join(await testFolder(), 'trace')
  const tracer = spawn('strace', [...args, '-o', file, ...threads.flatMap(id => ['-p', String(id)])], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(tracer, 'exit')
  onTestFinished(async () => {
    tracer.kill('SIGKILL')
    await ended
  })
  const attached = Promise.withResolvers<void>()
  let told = ''
  tracer.stderr.on('data', (chunk: Buffer) => {
    told += chunk.toString()
    if (told.split(' attached').length > threads.length) attached.resolve()
  })
  tracer.once('exit', () => attached.reject(new Error(`strace did not attach: ${told}`)))
  await attached.promise
  return {
    lines: () => readFileSync(file, 'utf8').split('\n').slice(0, -1),
    async detach() {
      tracer.kill('SIGINT')
      await ended
    },
  }
}
