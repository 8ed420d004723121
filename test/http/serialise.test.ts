import { expect, test } from 'vitest'
import { models } from '../../src/domain/models.ts'
import { noticeBody } from '../../src/domain/notice.ts'
import type { JobRecord } from '../../src/domain/records.ts'
import { type JobView, jobView } from '../../src/domain/view.ts'
import { deliveryView } from '../../src/http/deliveries.ts'
import { callbackView } from '../../src/http/jobs.ts'
import { modelView } from '../../src/http/openai-lookups.ts'
import { finishedJob } from '../../src/http/schema/examples.ts'
import { ref } from '../../src/http/schema/schema.ts'
import { serialiserOf } from '../../src/http/schema/serialise.ts'
import { newJob, request, succeeded } from '../support/jobs.ts'
import { startTestService } from '../support/service.ts'
import { testStore } from '../support/store.ts'
import { askerOf } from './asked.ts'

const links = {
  job: (id: string) => `http://localhost/jobs/${id}`,
  image: () => 'http://localhost/image',
  input: () => 'http://localhost/input',
}
const serialise = serialiserOf(ref('Job'))

/** A job of which every field says something. */
async function fullJob(fields: Partial<JobRecord> = {}): Promise<JobRecord> {
  const store = await testStore()
  const job = newJob({ tasks: 2, request: { ...request, edit: { ...request.edit, n: 2 } } })
  await store.createJob(job)
  const tasks = await store.claimTasks({ by: 'me', until: job.now + 1, now: job.now, maxInFlight: 9, unconfirmedCountsMs: 0 })
  const [first, second] = tasks.map(({ taskId }) => taskId)
  const applied = { source: 'callback', now: job.now, copyAt: job.now, receipt: null } as const
  const error = {
    kind: 'failed',
    taskId: 'p-2',
    traceId: 't-2',
    error: { code: 'api_error', message: 'x', traceId: null },
  } as const
  await store.applyResult({ taskId: first ?? -1, result: succeeded(), ...applied })
  await store.applyResult({ taskId: second ?? -1, result: error, ...applied })
  const stored = await store.job(job.id)
  if (stored === null) throw new Error('the job is not there')
  return { ...stored, ...fields }
}

/** Values that a careless serialiser would change, or lose. */
const odd: Record<string, unknown> = {
  text: '"\\\n\u0000\u2028😀\ud83d ü',
  empty: '',
  nothing: null,
  zero: 0,
  minus: -1.5e-7,
  large: 2 ** 53,
  no: false,
  list: [[], {}, null, 'a', 1],
  object: { a: { b: [{ c: null }] } },
  toJSON: 'toJSON',
  constructor: 'constructor',
  $ref: '#',
  nullable: true,
}
const inherited = JSON.parse('{"__proto__": {"a": 1}, "hasOwnProperty": 1}') as Record<string, unknown>

test('a job is written with all that it has, and as what it is', async () => {
  const job = await fullJob({
    params: { ...odd, ...inherited },
    prompt: String(odd['text']),
    metadata: { '': '', 'a"b': 'c\\d', n: '1', __proto__x: 'true' },
    warnings: ['a"b', ''],
    retryOf: 'job_1',
  })
  const late = job.images.map(image => ({ ...image, late: true, position: 1 }))
  for (const view of [jobView(job, links), jobView({ ...job, images: [...job.images, ...late] }, links)]) {
    expect(serialise(view)).toBe(JSON.stringify(view))
    expect(Object.keys(view)).toEqual(Object.keys(finishedJob))
  }
})

test('a job of which nothing is known yet is written with all its nulls', async () => {
  const store = await testStore()
  const job = newJob()
  await store.createJob(job)
  const stored = await store.job(job.id)
  if (stored === null) throw new Error('the job is not there')
  const unknown = {
    contentType: null,
    sizeBytes: null,
    sha256: null,
    width: null,
    height: null,
    providerUrl: null,
    revisedPrompt: null,
  }
  const images = (await fullJob()).images.map(image => ({ ...image, ...unknown }))
  for (const record of [stored, { ...stored, images }]) {
    const view = jobView(record, links)
    expect(serialise(view)).toBe(JSON.stringify(view))
  }
})

test('own fields of any name pass through', async () => {
  // A spread would drop what is called __proto__.
  const view = jobView(await fullJob({ params: inherited }), links)
  expect(serialise(view)).toBe(JSON.stringify(view))
  expect(serialise(view)).toContain('"__proto__":{"a":1}')
})

test('notices go with the schema of a job too, however much of them is left out', async () => {
  const { problems } = await askerOf(await startTestService())
  const long = 'x'.repeat(30_000)
  const parts: Partial<JobRecord>[] = [
    {},
    { prompt: long },
    { params: { long } },
    { warnings: Array.from({ length: 200 }, () => long.slice(0, 300)) },
  ]
  for (const fields of parts) {
    const notice = JSON.parse(noticeBody('job.succeeded', 5, jobView(await fullJob(fields), links))) as { data: JobView }
    expect(problems('Job', notice.data)).toEqual([])
  }
})

test('what a schema requires and a value lacks is an error, not a gap', async () => {
  const { warnings: _left, ...rest } = jobView(await fullJob(), links)
  expect(() => serialise(rest)).toThrow(/warnings/)
})

test('nothing that the schema does not name is written', async () => {
  const view = jobView(await fullJob(), links)
  expect(serialise({ ...view, secret: 'x' })).toBe(JSON.stringify(view))
})

test('callbacks, deliveries and models are written with all that they have', () => {
  const same = (name: string, view: object): void => expect(serialiserOf(ref(name))(view)).toBe(JSON.stringify(view))
  const bodies = [JSON.stringify({ ...odd, __proto__x: inherited }), '[1]', 'cut off', 'null', null]
  for (const body of bodies) same('Callback', callbackView({ receivedAt: 5, sizeBytes: 9, outcome: 'late', body, file: null }))
  const attempts = [
    { at: 5, status: null, durationMs: 7, answer: null },
    { at: 6, status: 500, durationMs: 0, answer: '<a href="x">' },
  ]
  const delivery = {
    id: 'msg_1',
    jobId: 'job_1',
    kind: 'webhook',
    type: 'job.failed',
    url: 'http://x/"',
    status: 'failed',
  } as const
  same('Delivery', deliveryView({ ...delivery, createdAt: 5, attempts }))
  for (const model of models) same('Model', modelView(model))
})
