import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Fastify from 'fastify'
import { expect, test } from 'vitest'
import { addAccess } from '../../src/http/access.ts'
import { makeErrorHandler, toServiceError } from '../../src/http/errors.ts'
import { makeKeyring } from '../../src/http/keyring.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { startTestService, testLog } from '../support/service.ts'
import { refusalOf } from './refusals.ts'

const good = { prompt: 'dark mode', image: dataUrl(await picture()) }

test('what breaks in here is a 500 that names nothing, and is in the log', async () => {
  const service = await startTestService()
  // A file stands where the jobs' folders belong.
  await rename(join(service.dataDir, 'jobs'), join(service.dataDir, 'jobs-elsewhere'))
  await writeFile(join(service.dataDir, 'jobs'), '')
  const response = await service.submit(good, { 'x-request-id': 'find-me' })
  const refusal = await refusalOf(response)
  expect(refusal).toMatchObject({ status: 500, code: 'internal_error', param: null })
  expect(refusal.message).not.toMatch(/ENOTDIR|EEXIST|jobs|\//)
  expect(service.log.lines.find(line => line.event === 'request.failed')).toMatchObject({
    level: 'error',
    fields: { request_id: 'find-me', route: '/jobs', err: expect.any(Error) },
  })
  expect(service.sandbox?.charges).toBe(0)
})

test('a full disk is told as such', () => {
  for (const code of ['ENOSPC', 'EDQUOT', 'SQLITE_FULL']) {
    const told = toServiceError(Object.assign(new Error('/secret/path'), { code }))
    expect([told.code, told.status]).toEqual(['storage_full', 507])
    expect(told.message).not.toContain('/secret')
  }
})

test('a machine that is short of something, or whose disk fails, is no fault of the request: 503, to be asked again', () => {
  const codes = ['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EAGAIN', 'EINTR', 'EIO', 'EROFS', 'ESTALE', 'SQLITE_CANTOPEN']
  for (const code of codes) {
    const told = toServiceError(Object.assign(new Error(`${code}: /secret/path`), { code }))
    expect([code, told.code, told.status, told.retryAfterS]).toEqual([code, 'unavailable', 503, 5])
    expect(told.message).not.toMatch(/secret|E[A-Z]+/)
  }
})

test('whatever is thrown is answered, be it no error at all', async () => {
  const app = Fastify()
  app.setErrorHandler(makeErrorHandler(testLog()))
  const thrown: unknown[] = [
    'text',
    null,
    undefined,
    5,
    { statusCode: 418 },
    new RangeError('/secret/path'),
    Object.assign(new Error('x'), { statusCode: 200 }),
  ]
  for (const [index, what] of thrown.entries())
    app.get(`/${index}`, () => {
      throw what
    })
  for (const index of thrown.keys()) {
    const answer = await app.inject(`/${index}`)
    expect([index, answer.statusCode]).toEqual([index, 500])
    expect(answer.json()).toMatchObject({ error: { code: expect.any(String), message: expect.not.stringContaining('secret') } })
  }
})

test('a route that does not say who may call it is closed', async () => {
  const app = Fastify()
  app.setErrorHandler(makeErrorHandler(testLog()))
  await addAccess(app, {
    keyring: makeKeyring([], null),
    rateLimitMax: 100,
    rateLimitWindowS: 60,
    baseUrl: () => 'http://localhost:3000',
    isSigned: () => true,
  })
  app.get('/undeclared', () => 'secret')
  app.get('/declared', { config: { access: 'read' } }, () => 'open')
  expect((await app.inject('/undeclared')).statusCode).toBe(404)
  expect((await app.inject('/declared')).statusCode).toBe(200)
})

test('an idempotency key that is none is refused before the body is read', async () => {
  const service = await startTestService()
  for (const key of ['', 'x'.repeat(256), 'ü', '\t']) {
    const refusal = await refusalOf(await service.submit(good, { 'idempotency-key': key }))
    expect([key.slice(0, 5), refusal]).toMatchObject([key.slice(0, 5), { status: 400, param: 'Idempotency-Key' }])
  }
  expect(service.sandbox?.charges).toBe(0)
})
