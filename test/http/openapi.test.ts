import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Validator } from '@seriousme/openapi-schema-validator'
import { expect, test } from 'vitest'
import { jobEventTypes } from '../../src/domain/events.ts'
import { testFolder } from '../support/folder.ts'
import { freePort, startProcess } from '../support/process.ts'
import { startTestService } from '../support/service.ts'
import { type ApiDocument, checkerOf, type Media, operationsOf, readDocument } from './document.ts'

const pages = /^GET \/(assets\/\S*|docs\/\S*)?$/

test('the document is valid OpenAPI 3.1', async () => {
  const service = await startTestService()
  const document = await readDocument(service)
  const validator = new Validator()
  // A copy: the validator writes into what it reads.
  const { valid, errors } = await validator.validate(structuredClone(document))
  expect(errors).toBeUndefined()
  expect([valid, validator.version, document.openapi]).toEqual([true, '3.1', '3.1.0'])
})

/** `GET /jobs/{taskId}`, …: what the router has, without HEAD. */
function routesOf(printed: string): string[] {
  const path: string[] = []
  const routes: string[] = []
  for (const line of printed.split('\n')) {
    const [, indent, part, methods] = /^([│ ]*)[├└]── (\S+)(?: \(([A-Z, ]+)\))?$/.exec(line) ?? []
    if (indent === undefined || part === undefined) continue
    path.splice(indent.length / 4, path.length, part)
    for (const method of (methods ?? '').split(', ').filter(name => name !== '' && name !== 'HEAD'))
      routes.push(`${method} ${path.join('').replaceAll('//', '/')}`)
  }
  return routes.map(route => route.replaceAll(/:(\w+)/g, '{$1}'))
}

test('every route but the pages is in the document, and nothing else is', async () => {
  const service = await startTestService()
  const routes = routesOf(service.app.printRoutes({ commonPrefix: false }))
  expect(routes).toContain('GET /jobs/{taskId}/images/{index}')
  const documented = [...operationsOf(await readDocument(service)).keys()]
  expect(documented.toSorted()).toEqual(routes.filter(route => !pages.test(route)).toSorted())
})

test('every operation says what it is for, and has a name of its own', async () => {
  const service = await startTestService()
  const operations = [...operationsOf(await readDocument(service))]
  const ids = operations.map(([, { operationId }]) => operationId)
  expect(new Set(ids).size).toBe(operations.length)
  for (const [name, { operationId, summary, tags, responses, parameters = [] }] of operations) {
    expect([name, operationId, summary, tags]).toEqual([
      name,
      expect.stringMatching(/^\w+$/),
      expect.any(String),
      [expect.any(String)],
    ])
    for (const parameter of parameters) expect([name, parameter.name, parameter.description]).not.toContain(undefined)
    for (const { description, headers } of Object.values(responses)) {
      expect([name, description]).not.toContain('Default Response')
      expect(Object.keys(headers ?? {})).toContain('x-request-id')
    }
  }
})

test('only what is open to all says that it needs no key', async () => {
  const service = await startTestService({ API_KEYS: 'ann:key-of-ann', ADMIN_KEY: 'key-of-admin' })
  for (const [name, { security }] of operationsOf(await readDocument(service))) {
    const [method = '', path = ''] = name.split(' ')
    const { status } = await service.call(path.replaceAll(/\{\w+\}/g, 'x'), { method })
    expect([name, status === 401]).toEqual([name, security?.length !== 0])
  }
})

test('the document tells of this version, and of our own address whatever Host says', async () => {
  const service = await startTestService({ PUBLIC_URL: 'https://pictures.example' })
  const document = await readDocument(service, { host: 'evil.example' })
  expect(document.info.version).toBe('0.0.0')
  expect(document.servers).toEqual([{ url: 'https://pictures.example' }])
  const local = await startTestService()
  expect((await readDocument(local)).servers).toEqual([{ url: local.baseUrl() }])
})

test('the program tells the version of package.json', async () => {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8')) as {
    version: string
  }
  const service = await startProcess({ PORT: String(await freePort()), DATA_DIR: await testFolder() })
  const document = (await (await fetch(`${service.url}/openapi.json`)).json()) as ApiDocument
  expect(document.info.version).toBe(version)
})

function mediaOf(document: ApiDocument): [string, Media][] {
  const operations = [
    ...operationsOf(document),
    ...Object.entries(document.webhooks).map(([name, { post }]) => [name, post] as const),
  ]
  return operations.flatMap(([name, { requestBody, responses }]) =>
    [requestBody, ...Object.values(responses)].flatMap(part =>
      Object.values(part?.content ?? {}).map((media): [string, Media] => [name, media]),
    ),
  )
}

test('every example is what its schema says', async () => {
  const service = await startTestService()
  const document = await readDocument(service)
  const check = checkerOf(document)
  let count = 0
  for (const [name, { schema, example, examples }] of mediaOf(document)) {
    const values = [...Object.values(examples ?? {}).map(({ value }) => value), ...(example === undefined ? [] : [example])]
    count += values.length
    for (const value of values) expect([name, check(schema, value)]).toEqual([name, []])
  }
  for (const [name, schema] of Object.entries(document.components.schemas)) {
    const examples: readonly unknown[] = Array.isArray(schema['examples']) ? schema['examples'] : []
    for (const value of examples) expect([name, check(schema, value)]).toEqual([name, []])
  }
  expect(count).toBeGreaterThan(100)
})

test('what is sent to others is told of, each type of notice', async () => {
  const service = await startTestService()
  const { webhooks } = await readDocument(service)
  expect(Object.keys(webhooks).toSorted()).toEqual([...jobEventTypes, 'result'].toSorted())
})
