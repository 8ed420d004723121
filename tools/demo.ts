// npm run demo [-- PICTURE [PROMPT]]: one edit from its submit to its picture, told with times.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import sharp from 'sharp'
import { readConfig } from '../src/config.ts'
import type { JobView } from '../src/domain/view.ts'

type Service = { url: string; headers: Record<string, string>; stop: () => Promise<void> }
type Callbacks = { data: { received_at: string; bytes: number; outcome: string }[] }

const root = join(import.meta.dirname, '..')
const startWithinMs = 20_000
const jobTimeoutS = 900

/** What goes wrong in a way that its message explains. */
class DemoError extends Error {}

async function isDarkroom(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(3_000) })
    // Another program may have this port: ours says what it is doing.
    const body: unknown = await answer.json()
    return answer.ok && typeof body === 'object' && body !== null && 'submitting' in body
  } catch {
    return false
  }
}

/** A service that runs already, as the environment and .env name it. */
async function findRunning(): Promise<Service | null> {
  const named = process.env['DARKROOM_URL']?.replace(/\/+$/, '')
  const config = readConfig(process.env)
  const candidates = named === undefined ? [config.publicUrl, `http://localhost:${config.port}`] : [named]
  const key = process.env['DARKROOM_API_KEY'] ?? config.apiKeys[0]?.secret
  for (const url of candidates) {
    if (url === null || !(await isDarkroom(url))) continue
    console.log(`Using the service at ${url}. If it has a real provider, this edit costs what any other does.`)
    return { url, headers: key === undefined ? {} : { authorization: `Bearer ${key}` }, stop: async () => {} }
  }
  if (named !== undefined) throw new DemoError(`no darkroom answers at DARKROOM_URL (${named})`)
  return null
}

/** What `npm start` does, on the sandbox whatever the settings say, on a free port, with a data folder that goes again. */
async function startOwn(): Promise<Service> {
  const folder = await mkdtemp(join(tmpdir(), 'darkroom-demo-'))
  const passedOn = ['PATH', 'HOME', 'TMPDIR', 'SANDBOX_DELAY_MS', 'SANDBOX_FAULTS', 'POLL_AFTER_S', 'POLL_EVERY_S']
  const child = spawn(process.execPath, [join(root, 'src', 'main.ts')], {
    env: {
      ...Object.fromEntries(passedOn.map(name => [name, process.env[name]])),
      PROVIDER: 'sandbox',
      PORT: '0',
      DATA_DIR: folder,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<void>(done => child.once('exit', () => done()))
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    await ended
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const url = await readyAt(child)
    console.log(`No service is running: started one on the sandbox, at ${url}, for this demo. Nothing is charged.`)
    return { url, headers: {}, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The address that a service logs when it is ready. */
function readyAt(child: ChildProcess): Promise<string> {
  return new Promise((found, failed) => {
    let output = ''
    const fail = (why: string): void => failed(new DemoError(`the service ${why}:\n${output.trim()}`))
    const timer = setTimeout(() => fail('did not start in time'), startWithinMs)
    const read = (chunk: Buffer): void => {
      output += chunk.toString()
      const [, url] = /"url":"([^"]+)"[^\n]*"service\.ready"/.exec(output) ?? []
      if (url !== undefined) {
        clearTimeout(timer)
        found(url)
      }
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
    child.once('exit', code => {
      clearTimeout(timer)
      fail(`ended with ${code}`)
    })
  })
}

/** Paper with a sun and hills: something to edit where no picture was named. */
async function drawPicture(): Promise<Buffer> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="768" height="512">
    <rect width="768" height="512" fill="#f4efe6"/>
    <circle cx="560" cy="150" r="70" fill="#e8a33d"/>
    <path d="M0 400 Q190 240 400 380 T768 320 V512 H0 Z" fill="#7a9e7e"/>
    <path d="M0 460 Q260 350 480 450 T768 420 V512 H0 Z" fill="#3f6f5b"/>
  </svg>`
  return sharp(Buffer.from(svg)).png().toBuffer()
}

async function readPicture(path: string): Promise<Buffer> {
  return readFile(resolve(path)).catch((error: unknown) => {
    throw new DemoError(`${path} cannot be read`, { cause: error })
  })
}

async function ask(service: Service, path: string, init: RequestInit = {}): Promise<Response> {
  const answer = await fetch(`${service.url}${path}`, { ...init, headers: service.headers }).catch((error: unknown) => {
    throw new DemoError(`the service at ${service.url} does not answer any more`, { cause: error })
  })
  if (answer.ok) return answer
  const hint = answer.status === 401 ? ' (set DARKROOM_API_KEY)' : ''
  throw new DemoError(`${init.method ?? 'GET'} ${path} answered ${answer.status}${hint}: ${await answer.text()}`)
}

async function askJob(service: Service, path: string, init: RequestInit = {}): Promise<JobView> {
  // This service's own answer.
  return (await (await ask(service, path, init)).json()) as JobView
}

/** A line of what happened, `at` being milliseconds since the submit. */
function tell(at: number, what: string, details: string): void {
  console.log(`  ${(at / 1_000).toFixed(2).padStart(7)} s  ${what.padEnd(10)} ${details}`)
}

async function submit(service: Service, startedAt: number, [picturePath, prompt = 'dark mode']: string[]): Promise<JobView> {
  const picture = picturePath === undefined ? await drawPicture() : await readPicture(picturePath)
  const form = new FormData()
  form.append('prompt', prompt)
  form.append('timeout_s', String(jobTimeoutS))
  form.append('image', new Blob([new Uint8Array(picture)]), basename(picturePath ?? 'landscape.png'))
  tell(0, 'POST /jobs', `"${prompt}", ${picture.length} bytes`)
  const job = await askJob(service, '/jobs', { method: 'POST', body: form })
  tell(Date.now() - startedAt, 'submitted', `${job.id}, ${job.status}, task ${job.task_id ?? 'not known yet'}`)
  return job
}

/** Waits for the job's end; says what came when, by the service's own clock. */
async function follow(service: Service, { id }: JobView, startedAt: number): Promise<JobView> {
  let job = await askJob(service, `/jobs/${id}?wait=10`)
  while (job.status === 'queued' || job.status === 'processing') {
    tell(Date.now() - startedAt, job.status, `task ${job.tasks[0]?.status ?? 'unknown'}`)
    job = await askJob(service, `/jobs/${id}?wait=10`)
  }
  const since = (time: string): number => Date.parse(time) - Date.parse(job.created_at)
  // This service's own answer.
  const { data: callbacks } = (await (await ask(service, `/jobs/${id}/callbacks`)).json()) as Callbacks
  for (const callback of callbacks) tell(since(callback.received_at), 'callback', `${callback.outcome}, ${callback.bytes} bytes`)
  if (callbacks.length === 0)
    tell(Date.now() - startedAt, 'callback', `none: the result came by ${job.tasks[0]?.source ?? 'nothing'}`)
  if (job.completed_at !== null) tell(since(job.completed_at), job.status, '')
  if (job.status !== 'succeeded')
    throw new DemoError(`the job ${job.status}: ${job.error === null ? 'no reason was given' : job.error.message}`)
  return job
}

async function fetchPicture(service: Service, { id }: JobView, startedAt: number): Promise<string> {
  const answer = await ask(service, `/jobs/${id}/images/0`)
  const bytes = Buffer.from(await answer.arrayBuffer())
  const type = answer.headers.get('content-type') ?? 'unknown'
  const { width, height } = await sharp(bytes).metadata()
  tell(Date.now() - startedAt, 'picture', `${type}, ${width}×${height}, ${bytes.length} bytes`)
  const path = resolve(`darkroom-demo.${/^image\/(jpeg|webp)$/.exec(type)?.[1] ?? 'png'}`)
  await writeFile(path, bytes)
  return path
}

async function demo(): Promise<void> {
  const service = (await findRunning()) ?? (await startOwn())
  const interrupted = new Promise<never>((_, failed) => {
    const fail = (): void => failed(new DemoError('interrupted'))
    process.once('SIGINT', fail)
    process.once('SIGTERM', fail)
  })
  try {
    await Promise.race([showJob(service), interrupted])
  } finally {
    await service.stop()
  }
}

async function showJob(service: Service): Promise<void> {
  const startedAt = Date.now()
  const job = await submit(service, startedAt, process.argv.slice(2))
  const ended = await follow(service, job, startedAt)
  console.log(`The picture: ${await fetchPicture(service, ended, startedAt)}`)
}

try {
  await demo()
} catch (error) {
  if (error instanceof DemoError) console.error(`demo: ${error.message}`)
  else console.error('demo:', error)
  process.exit(1)
}
