import { expect, test } from 'vitest'
import { type Config, readConfig } from '../../src/config.ts'
import { examineAddress } from '../../src/doctor/address.ts'
import { type Finding } from '../../src/doctor/finding.ts'
import { serve } from '../net/servers.ts'
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

test('a PUBLIC_URL that leads elsewhere, or nowhere, is a failure', async () => {
  const elsewhere = await serve((_request, response) => response.end('{"status":"ok","instance":"of somebody else"}'))
  const port = String(await freePort())
  expect((await look(readConfig({ PORT: port, PUBLIC_URL: elsewhere.origin }))).publicUrl).toMatchObject({
    level: 'fail',
    seen: expect.stringContaining('another service'),
  })
  const nowhere = readConfig({ PORT: port, PUBLIC_URL: `http://127.0.0.1:${await freePort()}` })
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
