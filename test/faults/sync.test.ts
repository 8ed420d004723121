import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import { asJson, attach, base64Result, call, settingsFor, startProvider, type Tracer, tracingProblem } from './support.ts'

const results = 100
const withPicture = (index: number): boolean => index % 4 === 0

/** What was synced: a picture's file, its job's folder, the folder of them all, or the log. */
function synced(path: string): string {
  if (path.endsWith('darkroom.db-wal')) return 'L'
  if (path.endsWith('.part')) return 'F'
  if (path.endsWith('/jobs')) return 'R'
  return /\/jobs\/[^/]+$/.test(path) ? 'D' : ''
}

/** For each callback's answer 200, in order, the syncs that had ended between the one before it and the moment when it was sent. */
function syncsBeforeAnswers(lines: readonly string[]): string[] {
  const answers: string[] = []
  const begun = new Map<string, string>()
  let since = ''
  for (const line of lines) {
    const [thread = ''] = /^\d+/.exec(line) ?? []
    const [, path, ending] = /sync\(\d+<(.*?)>(\) += 0| <unfinished)/.exec(line) ?? []
    // A call that another thread's interrupted in the trace has two lines.
    if (path !== undefined && ending === ' <unfinished') begun.set(thread, synced(path))
    else if (path !== undefined) since += synced(path)
    if (/sync resumed>.* = 0/.test(line)) since += begun.get(thread) ?? ''
    if (!/"HTTP\/1\.1 200 OK.*received/.test(line)) continue
    answers.push(since)
    since = ''
  }
  return answers
}

async function postOneByOne(urls: readonly string[]): Promise<void> {
  for (const [index, url] of urls.entries()) {
    const failed = { success: false, error: { code: 'api_error', message: 'no picture' } }
    const answer = await call(url, asJson(withPicture(index) ? base64Result(randomBytes(2_000)) : failed))
    expect(answer.status).toBe(200)
  }
}

test('each callback is on the disk before it is answered, also where the write-ahead log was there already', async context => {
  const problem = tracingProblem()
  if (problem !== null) return context.skip(problem)
  const provider = await startProvider()
  const settings = await settingsFor(provider)

  const trace = async (service: ServiceProcess): Promise<Tracer> => {
    const calls = 'trace=fsync,fdatasync,write,writev'
    return attach([service.child.pid ?? 0], ['-f', '-y', '-s', '1024', '-e', calls])
  }
  const first = await startProcess(settings)
  const posting = Array.from({ length: 2 * results }, async (_, index) => {
    const body = { prompt: `${index}`, image: 'https://example.com/a.png' }
    expect((await call(`${first.url}/jobs`, asJson(body))).status).toBe(202)
  })
  await Promise.all(posting)
  const urls = provider.submits.map(submit => submit.callbackUrl)
  const figures: number[] = []
  for (const half of [urls.slice(0, results), urls.slice(results)]) {
    const service = figures.length === 0 ? first : await startProcess(settings)
    const tracer = await trace(service)
    await postOneByOne(half)
    await tracer.detach()
    const syncs = syncsBeforeAnswers(tracer.lines())
    expect(syncs).toHaveLength(results)
    // First the file, then its name, then the row that names it.
    expect(syncs.filter((kinds, index) => !(withPicture(index) ? /F.*D.*R.*L/ : /L/).test(kinds))).toEqual([])
    figures.push(syncs.join('').replaceAll(/[^L]/g, '').length)
    // Killed, it leaves its log behind; closed, it would not.
    await service.end('SIGKILL')
  }
  console.info(`${results} callbacks: the log was synced ${figures.join(' times; after a restart ')} times`)
  expect(Math.min(...figures)).toBeGreaterThanOrEqual(results)
})
