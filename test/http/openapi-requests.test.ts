import { expect, test } from 'vitest'
import { checkRequest, type Fields } from '../../src/domain/request.ts'
import type { JobView } from '../../src/domain/view.ts'
import { picture } from '../support/pictures.ts'
import { type Running, startTestService } from '../support/service.ts'
import { checkerOf, type Operation, operationsOf, readDocument } from './document.ts'
import { openJob } from './posted.ts'

/** The body of an example as its media type has it; a file for each name of one. */
async function bodyOf(type: string, value: unknown): Promise<{ headers: Record<string, string>; body: string | FormData }> {
  if (type === 'application/json') return { headers: { 'content-type': type }, body: JSON.stringify(value) }
  const form = new FormData()
  const fields = typeof value === 'object' && value !== null ? Object.entries(value) : []
  for (const [name, field] of fields)
    if (Array.isArray(field))
      for (const file of field) form.append(name, new Blob([await picture()], { type: 'image/png' }), String(file))
    else form.append(name, String(field))
  return { headers: {}, body: form }
}

type Example = { name: string; operation: string; type: string; value: unknown }

function examplesOf(operations: Map<string, Operation>): Example[] {
  return [...operations].flatMap(([operation, { requestBody }]) =>
    Object.entries(requestBody?.content ?? {}).flatMap(([type, { examples = {} }]) =>
      Object.entries(examples).map(([name, { value }]) => ({ name, operation, type, value })),
    ),
  )
}

/** A path whose parameters lead to a job that is there. */
async function pathFor(service: Running, operation: string): Promise<string> {
  const [, path = ''] = operation.split(' ')
  return path.includes('{token}') ? (await openJob(service)).path : path
}

test('every request example succeeds as it stands', async () => {
  const service = await startTestService()
  const operations = operationsOf(await readDocument(service))
  const examples = examplesOf(operations)
  const bodies = [...operations].filter(([, { requestBody }]) => requestBody !== undefined)
  expect(new Set(examples.map(({ operation }) => operation)).size).toBe(bodies.length)
  for (const { name, operation, type, value } of examples) {
    const { headers, body } = await bodyOf(type, value)
    const response = await service.call(await pathFor(service, operation), { method: 'POST', headers, body })
    const text = await response.text()
    expect([operation, type, name, response.ok, text.slice(0, 300)]).toEqual([operation, type, name, true, expect.any(String)])
    // What is asked for in the examples of submits comes to a good end.
    const [, jobId] = /"(?:job_id|id)":"(job_\w+)"/.exec(text) ?? []
    if (jobId !== undefined) expect((await service.ended(jobId)).status).toBe('succeeded')
  }
})

test('a job that is read by its example’s parameters is found', async () => {
  const service = await startTestService()
  const { job } = await openJob(service)
  const operations = operationsOf(await readDocument(service))
  for (const [operation, { parameters = [] }] of operations) {
    if (!operation.startsWith('GET /jobs/{taskId}') || operation.includes('{index}') || operation.includes('events')) continue
    const [, path = ''] = operation.split(' ')
    const example = parameters.find(parameter => parameter.name === 'taskId')?.example
    expect(example).toMatch(/^job_[0-9a-z]{28}$/)
    expect((await service.call(path.replace('{taskId}', job.id))).status).toBe(200)
  }
})

const required = { prompt: 'dark mode', image: 'https://example.com/a.png' }
const limits = { jobTimeoutS: 1_800, webhookUrlProblem: () => null }

function isTaken(body: Record<string, unknown>): boolean {
  const fields: Fields = new Map(
    Object.entries(body).map(([name, value]) => [
      name,
      (Array.isArray(value) && name === 'image' ? value : [value]).map(one => ({ kind: 'json', value: one })),
    ]),
  )
  try {
    checkRequest(fields, limits)
    return true
  } catch {
    return false
  }
}

const pairs = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 'v']))

/** Each the last that is taken, and the first that is not. */
const bounds: readonly (readonly [string, unknown, unknown])[] = [
  ['prompt', 'a'.repeat(32_000), 'a'.repeat(32_001)],
  ['prompt', ' a ', ' '],
  ['prompt', 'a', ''],
  ['prompt', '😀'.repeat(32_000), 5],
  ['n', 1, 0],
  ['n', 10, 11],
  ['n', 2, 1.5],
  ['model', 'a'.repeat(100), 'a'.repeat(101)],
  ['model', 'x-y', 'x y'],
  ['timeout_s', 1, 0],
  ['output_compression', 100, 101],
  ['output_compression', 0, -1],
  ['quality', 'high', 5],
  ['size', 'auto', 5],
  ['metadata', pairs(16), pairs(17)],
  ['metadata', { ['k'.repeat(64)]: 'v' }, { ['k'.repeat(65)]: 'v' }],
  ['metadata', { k: 'v'.repeat(512) }, { k: 'v'.repeat(513) }],
  ['metadata', { k: '' }, { '': 'v' }],
  ['metadata', {}, { k: 5 }],
  ['webhook_events', ['job.failed'], []],
  ['webhook_events', ['job.late_result'], ['job.queued']],
  ['image', Array.from({ length: 16 }, () => required.image), Array.from({ length: 17 }, () => required.image)],
  ['image', `https://example.com/${'a'.repeat(8_172)}`, `https://example.com/${'a'.repeat(8_173)}`],
  ['image', ['https://example.com/a'], []],
  ['image', 'http://example.com/a', 'ftp://example.com/a'],
  ['mask', 'http://example.com/a', 5],
  ['anything_else', { a: [1] }, undefined],
]

test('the schema of a request takes what the service takes, and refuses what it refuses', async () => {
  const document = await readDocument(await startTestService())
  const schema = operationsOf(document).get('POST /jobs')?.requestBody?.content['application/json']?.schema ?? {}
  const check = checkerOf(document)
  for (const [name, last, beyond] of bounds)
    for (const [value, expected] of [
      [last, true],
      [beyond, false],
    ] as const) {
      if (value === undefined) continue
      const body = { ...required, [name]: value }
      const about = `${name}: ${JSON.stringify(value).slice(0, 60)}`
      expect([about, isTaken(body), check(schema, body).length === 0]).toEqual([about, expected, expected])
    }
  for (const name of ['prompt', 'image']) {
    const { [name as 'prompt']: _left, ...rest } = required
    expect([isTaken(rest), check(schema, rest).length === 0]).toEqual([false, false])
  }
})

test('requests are refused with the service’s own words, not with those of a schema', async () => {
  const service = await startTestService()
  const response = await service.submit({ ...required, n: 11 })
  expect(await response.json()).toMatchObject({ error: { message: 'n must be a whole number from 1 to 10', param: 'n' } })
  const list = await service.call('/jobs?limit=1&unknown=1')
  expect(await list.json()).toMatchObject({
    error: { message: expect.stringMatching(/^there is no such parameter/), param: 'unknown' },
  })
})

test('what a form sends as numbers and JSON text is taken as the schema of the form says', async () => {
  const service = await startTestService()
  const form = new FormData()
  form.append('prompt', 'dark mode')
  form.append('image', new Blob([await picture()]), 'a.png')
  form.append('n', '2')
  form.append('metadata', JSON.stringify({ order: '1' }))
  form.append('webhook_events', JSON.stringify(['job.failed']))
  const job = (await (await service.call('/jobs', { method: 'POST', body: form })).json()) as JobView
  expect(job).toMatchObject({ n: 2, metadata: { order: '1' } })
})
