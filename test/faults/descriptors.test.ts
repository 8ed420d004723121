import { execFileSync } from 'node:child_process'
import { Agent } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { pictureOfSize } from '../support/pictures.ts'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import { asJson, base64Result, call, settingsFor, startProvider, tryCall } from './support.ts'

/** Why a running process can't be given fewer files; null where it can. */
function limitingProblem(): string | null {
  try {
    execFileSync('prlimit', ['--version'])
    return null
  } catch {
    return 'prlimit is missing'
  }
}

function limitFiles({ child }: ServiceProcess, files: number | string): void {
  execFileSync('prlimit', [`--pid=${child.pid}`, `--nofile=${files}:`])
}

/** A connection that is there before the files run out. */
async function openConnection({ url }: ServiceProcess): Promise<Agent> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  onTestFinished(() => agent.destroy())
  await call(`${url}/healthz`, { agent })
  return agent
}

test('with no file left to open, requests are asked to come again, and all goes on when there are files', async context => {
  const problem = limitingProblem()
  if (problem !== null) return context.skip(problem)
  const provider = await startProvider()
  const service = await startProcess(await settingsFor(provider))
  const order = asJson({ prompt: 'a', image: 'https://example.com/a.png' })
  const job = JSON.parse((await call(`${service.url}/jobs`, order)).text) as JobView
  const second = JSON.parse((await call(`${service.url}/jobs`, order)).text) as JobView
  const [callback = '', ofSecond = ''] = provider.submits.map(submit => submit.callbackUrl)
  // So small that its file is opened when all has come: the connection, which is a file as well, goes on.
  const bytes = await pictureOfSize(100_000)
  expect((await call(ofSecond, asJson(base64Result(bytes)))).status).toBe(200)
  const agent = await openConnection(service)
  // Some are opened at the first use of a thing.
  await call(`${service.url}/`, { agent })
  const picture = `${service.url}/jobs/${second.id}/images/0`
  expect((await call(picture, { agent })).status).toBe(200)

  // Fewer than are open: those stay, and not one more is opened, whichever is closed meanwhile.
  limitFiles(service, 3)
  const upload = asJson({ prompt: 'a', image: `data:image/png;base64,${bytes.toString('base64')}` })
  const asked = [
    [callback, asJson(base64Result(bytes))],
    [`${service.url}/jobs`, upload],
    [picture],
    [`${service.url}/`],
  ] as const
  for (const [url, options] of asked) {
    const answer = await call(url, { ...options, agent })
    expect([url, answer.status, answer.headers['retry-after'], answer.text.slice(0, 200)]).toEqual([
      url,
      503,
      '5',
      expect.stringContaining('"unavailable"'),
    ])
    expect([url, answer.headers['etag'], answer.headers['cache-control'] ?? '']).toEqual([
      url,
      undefined,
      expect.not.stringContaining('age'),
    ])
  }
  // What needs no file goes on; who is new is not let in, or cut off, and that ends nothing.
  expect((await call(`${service.url}/jobs/${job.id}`, { agent })).status).toBe(200)
  const newcomers = Array.from({ length: 5 }, () => tryCall(`${service.url}/healthz`))
  expect((await call(`${service.url}/healthz`, { agent })).status).toBe(200)

  limitFiles(service, 1_000)
  await Promise.all(newcomers)
  expect((await call(`${service.url}/healthz`)).status).toBe(200)
  expect((await call(callback, asJson(base64Result(bytes)))).status).toBe(200)
  const ended = JSON.parse((await call(`${service.url}/jobs/${job.id}`)).text) as JobView
  expect(ended).toMatchObject({ status: 'succeeded', result: { data: [{ bytes: 100_000 }] } })
  expect(service.child.exitCode).toBeNull()
})
