import { once } from 'node:events'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, type TestContext, test } from 'vitest'
import { edit, packages } from '../support/ai-sdk.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import { startProxy } from '../support/proxy.ts'
import {
  asJson,
  attach,
  base64Result,
  call,
  look,
  type Provider,
  settingsFor,
  startProvider,
  threadsOf,
  tracingProblem,
} from './support.ts'

/*
 * Clients that repeat a POST by themselves, while the service under them ends, dies, or cannot say what it kept. A proxy knocks
 * until the next process listens: how long that takes is none of the clients' business here.
 */

const bytes = await picture()
const prompt = 'dark mode'

/** The provider gives the task its picture. */
async function finish(provider: Provider, of = prompt): Promise<void> {
  const url = provider.submitOf(of)?.callbackUrl ?? ''
  expect((await call(url, asJson(base64Result(bytes)))).status).toBe(200)
}

const claims = (service: ServiceProcess): number => service.lines().filter(line => line['msg'] === 'job.claimed_by_retry').length

const submits = (provider: Provider): number => provider.submits.filter(submit => submit.prompt === prompt).length

const waitUntil = (holds: () => boolean): Promise<void> => expect.poll(holds, { timeout: 60_000 }).toBe(true)

/** What a client that knows no header does: the same request again, half a second later, up to twice. */
async function repeatByHand(url: string): Promise<Buffer[]> {
  const request = {
    ...asJson({ prompt, model: 'gpt-image-1', image: dataUrl(bytes), response_format: 'b64_json' }),
    method: 'POST',
  }
  for (let tries = 0; ; tries += 1) {
    const answer = await call(`${url}/v1/images/edits`, request).catch(() => null)
    if (answer?.status === 200) {
      // An answer of this route.
      const { data } = JSON.parse(answer.text) as { data: { b64_json: string }[] }
      return data.map(one => Buffer.from(one.b64_json, 'base64'))
    }
    if (tries === 2) throw new Error(`no picture: ${answer?.status} ${answer?.text}`)
    await new Promise(resolve => setTimeout(resolve, 500))
  }
}

const clients = [
  ...packages.map(name => [name, (url: string) => edit(name, url, prompt)] as const),
  ['fetch', repeatByHand] as const,
]

/** One job, and one submit for it. */
function expectOne(provider: Provider, dataDir: string): void {
  const jobs = look(dataDir, database => database.prepare('select 1 from jobs where prompt = ?').all(prompt))
  expect([jobs.length, submits(provider)]).toEqual([1, 1])
}

test.for(['SIGTERM', 'SIGKILL'] as const)(
  'a %s and a start on the same folder: every client gets its picture, paid once',
  async signal => {
    for (const [name, ask] of clients) {
      const provider = await startProvider()
      const settings = await settingsFor(provider)
      const service = await startProcess(settings)
      const proxy = await startProxy(service.url)
      const images = ask(proxy.url)
      await waitUntil(() => submits(provider) === 1)
      await service.end(signal)
      const again = await startProcess(settings)
      await waitUntil(() => claims(again) === 1)
      await finish(provider)
      expect([name, (await images).map(image => image.equals(bytes))]).toEqual([name, [true]])
      expectOne(provider, settings.DATA_DIR)
    }
  },
)

test('a commit that was answered as unavailable, and kept all the same, is claimed by the next try', async (context: TestContext) => {
  const problem = tracingProblem()
  if (problem !== null) context.skip(problem)
  for (const [name, ask] of clients) {
    const provider = await startProvider()
    // One task at a time: the job is there, and nothing of it is on its way to the provider.
    const settings = await settingsFor(provider, { MAX_IN_FLIGHT: '1' })
    const service = await startProcess(settings)
    const proxy = await startProxy(service.url)
    // The first sync of a log is that of its beginning: a commit that fails at that one is not kept.
    const before = await call(`${service.url}/jobs`, asJson({ prompt: 'before', image: 'https://example.com/a.png' }))
    expect(before.status).toBe(202)
    // As long as somebody else has it open, the log stays as it was written: what a process that ended in order would tidy up.
    const reader = new Database(join(settings.DATA_DIR, 'darkroom.db'), { readonly: true })
    reader.prepare('select count(*) from jobs').get()
    const exited = once(service.child, 'exit')
    await attach(threadsOf(service.child.pid ?? 0, 'WorkerThread'), ['-e', 'trace=fsync', '-e', 'inject=fsync:error=EIO:when=1+'])
    const images = ask(proxy.url)
    await exited
    reader.close()
    const again = await startProcess(settings)
    await waitUntil(() => claims(again) === 1)
    expect(submits(provider)).toBe(0)
    await finish(provider, 'before')
    await waitUntil(() => submits(provider) === 1)
    await finish(provider)
    expect([name, (await images).map(image => image.equals(bytes))]).toEqual([name, [true]])
    expectOne(provider, settings.DATA_DIR)
  }
})

test('a proxy that cuts at 2 s, again and again, costs one charge', async () => {
  for (const [name, ask] of clients) {
    const provider = await startProvider()
    const settings = await settingsFor(provider)
    const service = await startProcess(settings)
    const proxy = await startProxy(service.url, index => (index < 2 ? 2_000 : null))
    const images = ask(proxy.url)
    await waitUntil(() => proxy.count() === 3 && claims(service) === 2)
    await finish(provider)
    expect([name, (await images).map(image => image.equals(bytes))]).toEqual([name, [true]])
    expectOne(provider, settings.DATA_DIR)
    await service.end('SIGKILL')
  }
})
