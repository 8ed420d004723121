import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeSigner } from '../src/domain/signer.ts'
import { lockFolder } from '../src/store/lock.ts'
import { found, reportOf, runDoctor } from './doctor/run.ts'
import { serve } from './net/servers.ts'
import { testFolder } from './support/folder.ts'
import { migrations } from './support/jobs.ts'
import { dataUrl, picture } from './support/pictures.ts'
import { freePort, type ServiceProcess, startProcess } from './support/process.ts'

async function submit(service: ServiceProcess): Promise<Response> {
  const body = JSON.stringify({ prompt: 'dark', image: dataUrl(await picture()) })
  return fetch(`${service.url}/jobs`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
}

/** Every file below a folder, with what is in it. */
function contentsOf(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  return Object.fromEntries(
    names.map(({ parentPath, name }) => {
      const path = join(parentPath, name)
      return [path, createHash('sha256').update(readFileSync(path)).digest('hex')]
    }),
  )
}

test('before the first start all is well, and nothing is made', async () => {
  const parent = await testFolder()
  const { code, output } = await runDoctor({ DATA_DIR: join(parent, 'data') })
  expect(output).toMatch(/^ok {4}data folder {5}\S+ is not there yet: the first start makes it$/m)
  expect(output).toMatch(/^ok {4}database {8}there is none yet/m)
  expect(output).toMatch(/^ok {4}service {9}does not run; 127\.0\.0\.1:0 is free$/m)
  expect(output).toMatch(/\ndoctor: [^\n]+\n$/)
  expect(output).not.toContain('FAIL')
  expect(code).toBe(0)
  expect(readdirSync(parent)).toEqual([])
})

test('beside a running service it sees that it runs, and leaves it alone', async () => {
  const settings = { PORT: String(await freePort()), DATA_DIR: await testFolder() }
  const service = await startProcess(settings)
  expect((await submit(service)).status).toBe(202)
  const report = await reportOf(settings)
  expect(found(report, 'service')).toMatchObject({ status: 'ok', seen: `runs at ${service.url}, and is ready` })
  expect(found(report, 'database').seen).toMatch(new RegExp(`^version ${migrations.length}, quick_check is ok`))
  expect(found(report, 'data folder')).toMatchObject({ status: 'ok', seen: expect.stringMatching(/a sync takes [\d.]+ ms$/) })
  expect(found(report, 'secret')).toMatchObject({ status: 'ok', seen: expect.stringContaining('its owner only') })
  expect(report.code).toBe(0)
  expect(report.checked_at).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  expect((await submit(service)).status).toBe(202)
  expect(await service.end('SIGTERM')).toBe(0)
})

test.each(['SIGTERM', 'SIGKILL'] as const)('it changes nothing in a folder whose service ended by %s', async signal => {
  const settings = { PORT: String(await freePort()), DATA_DIR: await testFolder() }
  const service = await startProcess(settings)
  expect((await submit(service)).status).toBe(202)
  await service.end(signal)
  const before = contentsOf(settings.DATA_DIR)
  const report = await reportOf(settings)
  expect(found(report, 'service').seen).toMatch(/^does not run/)
  expect(found(report, 'database').seen).toMatch(/quick_check is ok/)
  const after = contentsOf(settings.DATA_DIR)
  // The map of the log is SQLite's own scratch, and rebuilt by who opens it after a kill.
  const map = join(settings.DATA_DIR, 'darkroom.db-shm')
  expect({ ...after, [map]: '' }).toEqual({ ...before, [map]: '' })
})

test('a service whose provider refuses the account is a warning', async () => {
  const settings = { PORT: String(await freePort()), DATA_DIR: await testFolder(), SANDBOX_FAULTS: 'bad_key' }
  const service = await startProcess(settings)
  expect((await submit(service)).status).toBe(502)
  const report = await reportOf(settings)
  expect(found(report, 'service')).toMatchObject({
    status: 'warn',
    seen: expect.stringMatching(/submitting is paused until \d{4}-/),
  })
  expect(report.code).toBe(0)
})

test('a service that holds the folder but does not answer is a failure', async () => {
  const settings = { PORT: String(await freePort()), DATA_DIR: await testFolder() }
  const lock = lockFolder(join(settings.DATA_DIR, 'lock'))
  const report = await reportOf(settings)
  lock.release()
  expect(found(report, 'service')).toMatchObject({ status: 'fail', seen: expect.stringContaining('does not answer') })
  expect(report.code).toBe(1)
})

test('PUBLIC_URL is tried with the running service’s own name', async () => {
  const elsewhere = await serve((_request, response) => response.end('{"status":"ok","instance":"of somebody else"}'))
  const settings = { PORT: String(await freePort()), DATA_DIR: await testFolder() }
  const { url } = await startProcess(settings)
  const here = await reportOf({ ...settings, PUBLIC_URL: url })
  expect(found(here, 'PUBLIC_URL')).toMatchObject({ status: 'warn', seen: 'leads here, but from this machine only' })
  const there = await reportOf({ ...settings, PUBLIC_URL: elsewhere.origin })
  expect(found(there, 'PUBLIC_URL')).toMatchObject({ status: 'fail', seen: expect.stringContaining('another service') })
  expect([here.code, there.code]).toEqual([0, 1])
})

test('all that is wrong with the settings is named at once, without a value', async () => {
  const { code, output } = await runDoctor({ PORT: 'a-value-1', LOG_LEVEL: 'a-value-2', PROVIDER_API_KEY: 'a value-3' })
  for (const name of ['PORT', 'LOG_LEVEL', 'PROVIDER_API_KEY', 'API_KEYS'])
    expect(output).toMatch(new RegExp(`^FAIL {2}settings +${name} `, 'm'))
  expect(output).not.toMatch(/value-\d/)
  expect(output).toMatch(/^skip {2}the rest/m)
  expect(code).toBe(1)
  const faults = await runDoctor({ SANDBOX_FAULTS: 'a-value-4' })
  expect(faults.output).toMatch(/^FAIL {2}settings +SANDBOX_FAULTS /m)
  expect(faults.output).not.toContain('a-value-4')
  expect(faults.code).toBe(1)
})

const whsec = `whsec_${Buffer.from('thirty-two bytes of the webhooks').toString('base64')}`

test('no secret is printed, and the webhook secret only where it is asked for', async () => {
  const provider = await serve((_request, response) =>
    response.writeHead(401).end('{"error":{"code":"s3cret-5","message":"s3cret-6"}}'),
  )
  const settings = {
    PROVIDER_API_KEY: 's3cret-1',
    PROVIDER_BASE_URL: provider.origin,
    API_KEYS: 'shop:s3cret-2',
    ADMIN_KEY: 's3cret-3',
    SECRET: 's3cret-4-that-is-long-enough',
    WEBHOOK_SECRETS: whsec,
  }
  for (const flags of [[], ['--json'], ['--show-webhook-secret']]) {
    const { code, output } = await runDoctor(settings, ...flags)
    expect(output).toContain('the key is refused')
    expect(output.replaceAll('s3cret-5', '')).not.toContain('s3cret')
    expect(output.includes(whsec.slice(6, 20))).toBe(flags.includes('--show-webhook-secret'))
    expect(code).toBe(1)
  }
})

test('the webhook secret that it shows is the one that the service signs with', async () => {
  const secret = 'a-secret-that-was-made-here'
  const dataDir = await testFolder()
  await writeFile(join(dataDir, 'secret'), `${secret}\n`, { mode: 0o600 })
  const shown = makeSigner([secret]).defaultWebhookSecrets()
  expect((await reportOf({ DATA_DIR: dataDir }, '--show-webhook-secret')).webhook_secrets).toEqual(shown)
  const { output } = await runDoctor({ DATA_DIR: dataDir }, '--show-webhook-secret')
  expect(output.split('\n')).toContain(shown[0])
  expect(await reportOf({ DATA_DIR: dataDir })).not.toHaveProperty('webhook_secrets')
})

test('a flag that there is not is answered with those that there are', async () => {
  expect(await runDoctor({}, '--jsno')).toMatchObject({ code: 1, output: expect.stringContaining('--json') })
  expect(await runDoctor({}, '--help')).toMatchObject({ code: 0, output: expect.stringContaining('--thorough') })
})
