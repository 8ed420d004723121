import { rename, writeFile } from 'node:fs/promises'
import { request as ask, createServer } from 'node:http'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { testFolder } from './support/folder.ts'
import { freePort, startProcess } from './support/process.ts'

type Settings = Record<string, string> & { PORT: string; DATA_DIR: string }

/** Settings for a real provider, which may be anything. */
async function realSettings(baseUrl: (port: string) => string): Promise<Settings> {
  const port = String(await freePort())
  return {
    PORT: port,
    DATA_DIR: await testFolder(),
    PROVIDER_API_KEY: 'a-key',
    ALLOW_ANONYMOUS: 'true',
    PROVIDER_BASE_URL: baseUrl(port),
  }
}

/** Passes everything on to a port of this machine, below a path. */
async function proxyTo(port: string, below = ''): Promise<string> {
  const server = createServer((incoming, response) => {
    const { method, headers, url = '' } = incoming
    const path = url.startsWith(below) ? url.slice(below.length) : '/elsewhere'
    const passed = ask({ host: '127.0.0.1', port, path, headers, ...(method === undefined ? {} : { method }) }, answer => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    passed.on('error', () => response.writeHead(502).end())
    incoming.pipe(passed)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return `http://127.0.0.1:${address.port}${below}`
}

test.each([
  ['itself', async (port: string) => `http://localhost:${port}/v1`],
  ['itself, without a path', async (port: string) => `http://127.0.0.1:${port}`],
  ['a proxy in front of it', async (port: string) => `${await proxyTo(port)}/v1`],
  ['a proxy that has it below a path', async (port: string) => `${await proxyTo(port, '/darkroom')}/v1`],
])('a PROVIDER_BASE_URL that leads to %s is refused at the start', async (_where, urlOf) => {
  const port = String(await freePort())
  const settings = await realSettings(() => 'http://127.0.0.1:1')
  const start = startProcess({ ...settings, PORT: port, PROVIDER_BASE_URL: await urlOf(port) })
  await expect(start).rejects.toThrow(/the service ended with 1: [^]*PROVIDER_BASE_URL leads back to this service/)
})

test('a PROVIDER_BASE_URL that turns out to lead back when its proxy has come up ends the service', async () => {
  const proxyPort = await freePort()
  const settings = await realSettings(() => `http://127.0.0.1:${proxyPort}/v1`)
  const service = await startProcess(settings)
  const exited = new Promise<number | null>(resolve => service.child.once('exit', resolve))
  const server = createServer((incoming, response) => {
    void fetch(`${service.url}${incoming.url}`).then(async answer => response.writeHead(answer.status).end(await answer.text()))
  })
  await new Promise<void>(resolve => server.listen(proxyPort, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  expect(await exited).toBe(1)
  expect(service.lines().find(line => line['msg'] === 'provider.is_here')).toMatchObject({ level: 60 })
})

test('another service that answers there is as good a provider as any', async () => {
  const other = await startProcess({ PORT: String(await freePort()), DATA_DIR: await testFolder() })
  const service = await startProcess(await realSettings(() => `${other.url}/v1`))
  expect((await fetch(`${service.url}/readyz`)).status).toBe(200)
})

test('API keys are read again from their file on SIGHUP; what is wrong with them then changes nothing', async () => {
  const folder = await testFolder()
  const file = join(folder, 'api_keys')
  const write = async (text: string): Promise<void> => {
    await writeFile(`${file}.new`, text)
    await rename(`${file}.new`, file)
  }
  await write('shop:an-old-secret\n')
  const service = await startProcess({ PORT: String(await freePort()), DATA_DIR: join(folder, 'data'), API_KEYS_FILE: file })
  const status = async (key: string): Promise<number> =>
    (await fetch(`${service.url}/jobs`, { headers: { authorization: `Bearer ${key}` } })).status
  expect([await status('an-old-secret'), await status('a-new-secret')]).toEqual([200, 401])
  const told = (event: string) => service.lines().filter(line => line['msg'] === event)
  await write('shop:a-new-secret\n')
  service.child.kill('SIGHUP')
  await expect.poll(() => told('api_keys.read_again').length, { timeout: 20_000 }).toBe(1)
  expect([await status('an-old-secret'), await status('a-new-secret')]).toEqual([401, 200])
  for (const [count, wrong] of [
    [1, 'nonsense-of-a-key'],
    [2, ''],
  ] as const) {
    await write(wrong)
    service.child.kill('SIGHUP')
    await expect.poll(() => told('api_keys.not_read').length, { timeout: 20_000 }).toBe(count)
    expect(await status('a-new-secret')).toBe(200)
  }
  expect(await service.end('SIGTERM')).toBe(0)
  expect(JSON.stringify(service.lines())).not.toMatch(/-secret|nonsense/)
})

/** What a service says that does not start. */
async function refusal(settings: Settings): Promise<string> {
  const started = startProcess(settings)
  return started.then(
    () => 'it started',
    (error: unknown) => String(error),
  )
}

test('all settings that are wrong are named at once, those of the sandbox among them, and no value is told', async () => {
  const said = await refusal({ PORT: 'LEAKED', DATA_DIR: await testFolder(), SANDBOX_FAULTS: 'LEAKED:2', LOG_LEVEL: 'LEAKED' })
  for (const name of ['PORT must', 'SANDBOX_FAULTS must', 'LOG_LEVEL must']) expect(said).toContain(name)
  expect(said).not.toContain('LEAKED')
})

test.each([
  ['http://127.0.0.1:PORT', 'leads to this machine itself'],
  ['https://localhost:1', 'leads to this machine itself'],
  ['http://darkroom.invalid', 'is not https'],
])('a PUBLIC_URL of %s is used, with a warning', async (publicUrl, warning) => {
  const port = String(await freePort())
  const url = publicUrl.replace('PORT', port)
  const service = await startProcess({ PORT: port, DATA_DIR: await testFolder(), PUBLIC_URL: url })
  const { id } = (await (
    await fetch(`${service.url}/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'dark', image: 'https://example.com/a.png' }),
    })
  ).json()) as { id: string }
  const job = (await (await fetch(`${service.url}/jobs/${id}`)).json()) as { urls: { self: string } }
  expect(job.urls.self).toBe(`${url}/jobs/${id}`)
  await service.end('SIGTERM')
  const told = service.lines().filter(line => line['setting'] === 'PUBLIC_URL')
  expect(told.map(line => [line['level'], line['msg']])).toEqual([[40, expect.stringContaining(warning)]])
})
