import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Job } from '../../src/dashboard/types.d.ts'
import type { JobView } from '../../src/domain/view.ts'
import { startTestService } from '../support/service.ts'

const folder = join(import.meta.dirname, '..', '..', 'src', 'dashboard')

test('the page is served at /, with headers that let it load nothing from elsewhere', async () => {
  const { app } = await startTestService({ API_KEYS: 'ann:key-of-ann' })
  const { statusCode, headers, body } = await app.inject('/')
  expect(statusCode).toBe(200)
  expect(body).toContain('<title>Darkroom</title>')
  expect(headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-cache',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  })
  const policy = String(headers['content-security-policy']).split('; ')
  expect(policy).toEqual([
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob: data:",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ])
})

test('every file that a browser needs is served, and kept by it only until it has changed', async () => {
  const { app } = await startTestService()
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => /\.(js|css|svg)$/.test(name))
  expect(files.length).toBeGreaterThan(30)
  const types: Record<string, RegExp> = { js: /^(text|application)\/javascript/, css: /^text\/css/, svg: /^image\/svg\+xml/ }
  for (const file of [...files, 'htm-preact.js']) {
    const first = await app.inject(`/assets/${file}`)
    expect([file, first.statusCode]).toEqual([file, 200])
    expect(first.headers['content-type']).toMatch(types[file.replace(/.*\./, '')] ?? /never/)
    expect(first.headers).toMatchObject({ 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff' })
    const again = await app.inject({ url: `/assets/${file}`, headers: { 'if-none-match': String(first.headers.etag) } })
    expect([file, again.statusCode, again.body]).toEqual([file, 304, ''])
  }
})

test('nothing else is served: no types, no settings, no folder, nothing above it', async () => {
  const { app } = await startTestService()
  const paths = ['', 'index.html', 'types.d.ts', 'htm-preact.d.ts', 'tsconfig.json', 'i18n', 'i18n/', 'nothing.js', '.env']
  const above = ['../http/app.ts', '%2e%2e/http/app.ts', '..%2fhttp/app.ts', '..%5chttp%5capp.ts', '../../package.json']
  for (const path of [...paths, ...above]) {
    const { statusCode, json } = await app.inject(`/assets/${path}`)
    expect([path, statusCode, json().error.code]).toEqual([path, 404, 'not_found'])
  }
  expect((await app.inject({ method: 'POST', url: '/' })).statusCode).toBe(404)
})

test('the page is found from whatever folder the process was started in', async () => {
  const before = process.cwd()
  process.chdir('/')
  onTestFinished(() => process.chdir(before))
  const { app } = await startTestService()
  expect((await app.inject('/')).statusCode).toBe(200)
  expect((await app.inject('/assets/htm-preact.js')).statusCode).toBe(200)
})

test('HEAD is answered like GET, without a body', async () => {
  const { app } = await startTestService()
  for (const url of ['/', '/assets/main.js']) {
    const { statusCode, body } = await app.inject({ method: 'HEAD', url })
    expect([statusCode, body]).toEqual([200, ''])
  }
})

test('/readyz says whose results these are, so that the page can say what they cost', async () => {
  const { app } = await startTestService()
  expect((await app.inject('/readyz')).json()).toMatchObject({ status: 'ready', provider: 'sandbox' })
})

test('what the page reads of a job is what the service sends', () => {
  // Checked when this is compiled.
  const asRead = (job: JobView): Job => job
  expect(asRead).toBeTypeOf('function')
})
