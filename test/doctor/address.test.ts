import { expect, test } from 'vitest'
import { type Config, readConfig } from '../../src/config.ts'
import { examineAddress } from '../../src/doctor/address.ts'
import { type Finding } from '../../src/doctor/finding.ts'
import { serve, serveTls } from '../net/servers.ts'
import { freePort } from '../support/process.ts'

async function look(config: Config): Promise<{ service: Finding | undefined; publicUrl: Finding | undefined }> {
  const [service, publicUrl] = await examineAddress(config, false)
  return { service, publicUrl }
}

test('where no service runs, it stands in for one to try PUBLIC_URL, and goes again', async () => {
  const port = String(await freePort())
  const here = readConfig({ PORT: port, PUBLIC_URL: `http://localhost:${port}` })
  expect(await look(here)).toMatchObject({
    service: { level: 'ok', seen: `does not run; 127.0.0.1:${port} is free` },
    publicUrl: { level: 'warn', seen: 'leads here, but from this machine only' },
  })
  await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow()
  const plain = readConfig({ PORT: port, HOST: '0.0.0.0', PUBLIC_URL: `http://0.0.0.0:${port}` })
  expect((await look(plain)).publicUrl).toMatchObject({ level: 'warn', seen: 'leads here, but unencrypted' })
})

test('a callback that comes while it stands in is put off, not taken', async () => {
  const port = await freePort()
  const standIn = `http://127.0.0.1:${port}`
  const answers: [string, number, string | null][] = []
  const note = async (method: string, path: string): Promise<void> => {
    const { status, headers } = await fetch(`${standIn}${path}`, { method })
    answers.push([`${method} ${path}`, status, headers.get('retry-after')])
  }
  // As a proxy in front of it: it is asked while the stand-in is there.
  const proxy = await serve((request, response) => {
    void (async () => {
      await note('POST', '/callbacks/some.token')
      await note('POST', '/healthz')
      await note('GET', '/jobs')
      const health = await fetch(`${standIn}${request.url}`)
      response.writeHead(health.status).end(await health.text())
    })()
  })
  const { publicUrl } = await look(readConfig({ PORT: String(port), PUBLIC_URL: proxy.origin }))
  expect(publicUrl).toMatchObject({ seen: expect.stringMatching(/^leads here/) })
  expect(answers).toEqual([
    ['POST /callbacks/some.token', 503, '30'],
    ['POST /healthz', 503, '30'],
    ['GET /jobs', 503, '30'],
  ])
})

/** This machine, by an address that is not called a loopback one. */
const notLoopback = (scheme: 'http' | 'https', port: number): string => `${scheme}://0.0.0.0:${port}`

test('a PUBLIC_URL where something else answers is a failure', async () => {
  const elsewhere = await serve((_request, response) => response.end('{"status":"ok","instance":"of somebody else"}'))
  const moved = await serve((_request, response) => response.writeHead(308, { location: 'https://x.test' }).end())
  const broken = await serve((_request, response) => response.writeHead(502).end())
  const untrusted = await serveTls((_request, response) => response.end())
  const PORT = String(await freePort())
  for (const [url, seen] of [
    [notLoopback('http', elsewhere.port), 'another service'],
    [notLoopback('http', moved.port), 'redirect (HTTP 308)'],
    [notLoopback('http', broken.port), 'HTTP 502'],
    [notLoopback('https', untrusted.port), 'SELF_SIGNED_CERT'],
  ] as const) {
    const { publicUrl } = await look(readConfig({ PORT, PUBLIC_URL: url }))
    expect(publicUrl).toMatchObject({ level: 'fail', seen: expect.stringContaining(seen) })
  }
})

test('a PUBLIC_URL that cannot be reached from here is a warning: from outside it may be right', async () => {
  const port = String(await freePort())
  const refused = readConfig({ PORT: port, PUBLIC_URL: notLoopback('http', await freePort()) })
  expect((await look(refused)).publicUrl).toMatchObject({
    level: 'warn',
    seen: expect.stringContaining('ECONNREFUSED'),
    toDo: expect.stringMatching(/from outside.*results are asked for instead/),
  })
  const unknownName = readConfig({ PORT: port, PUBLIC_URL: 'https://darkroom.invalid', PROVIDER_TASKS_PATH: '' })
  expect((await look(unknownName)).publicUrl).toMatchObject({
    level: 'warn',
    seen: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/),
    toDo: expect.stringMatching(/from outside.*no result arrives/),
  })
})

test('a loopback PUBLIC_URL that nobody answers at is a failure: nobody else can reach it either', async () => {
  const nowhere = readConfig({ PORT: String(await freePort()), PUBLIC_URL: `http://127.0.0.1:${await freePort()}` })
  expect((await look(nowhere)).publicUrl).toMatchObject({ level: 'fail', seen: expect.stringContaining('ECONNREFUSED') })
})

test('an address that is taken, or not ours, is a failure', async () => {
  const other = await serve((_request, response) => response.end())
  const taken = readConfig({ PORT: String(other.port), PUBLIC_URL: other.origin })
  expect(await look(taken)).toMatchObject({
    service: { level: 'fail', seen: `127.0.0.1:${other.port} is taken by another program` },
    publicUrl: { level: 'skip' },
  })
  const foreign = await look(readConfig({ PORT: '0', HOST: '192.0.2.1' }))
  expect(foreign.service).toMatchObject({ level: 'fail', seen: 'this machine has no address 192.0.2.1' })
})

test('where nobody may know whether it runs, its address is left alone', async () => {
  const findings = await examineAddress(readConfig({ PORT: '0', PUBLIC_URL: 'https://x.test' }), null)
  expect(findings.map(({ check, level }) => [check, level])).toEqual([
    ['service', 'skip'],
    ['PUBLIC_URL', 'skip'],
  ])
})

test('without PUBLIC_URL, how results come is told', async () => {
  expect((await look(readConfig({ PORT: '0' }))).publicUrl).toMatchObject({
    level: 'ok',
    seen: expect.stringContaining('sandbox'),
  })
  const real = readConfig({ PORT: '0', PROVIDER_API_KEY: 'a-key', API_KEYS: 'shop:secret', POLL_EVERY_S: '45' })
  expect((await look(real)).publicUrl).toMatchObject({
    level: 'ok',
    seen: 'not set: poll mode, results are asked for every 45 s',
  })
})
