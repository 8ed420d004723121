import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openDatabase } from '../../src/store/open.ts'
import { testClock } from '../support/clock.ts'
import { testFolder } from '../support/folder.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import type { Running } from '../support/service.ts'
import {
  accept,
  aRequest,
  callBack,
  failure,
  fakeProvider,
  filesOf,
  jobOf,
  json,
  picturesAt,
  type Sent,
  startOn,
  until,
} from './setting.ts'

const key = { 'idempotency-key': 'k-1' }
const replayed = (response: Response): string | null => response.headers.get('idempotent-replayed')

test('the same request again gets the same answer, though the job has gone on, and submits nothing', async () => {
  const provider = await fakeProvider()
  const service = await startOn(provider)
  const first = await service.submit(aRequest, key)
  const answer = await first.text()
  await callBack(service, provider.submits[0] as Sent, picturesAt('http://127.0.0.1:1/a.png'))
  const second = await service.submit(aRequest, key)
  expect([first.status, second.status]).toEqual([202, 202])
  expect(await second.text()).toBe(answer)
  expect([replayed(first), replayed(second)]).toEqual([null, 'true'])
  expect(second.headers.get('location')).toBe(first.headers.get('location'))
  expect(provider.submits).toHaveLength(1)
})

test('requests that come at the same time make one job with one submit, and all get its answer', async () => {
  const provider = await fakeProvider(() => {})
  const service = await startOn(provider)
  const image = dataUrl(await picture())
  const all = Array.from({ length: 20 }, () => service.submit({ ...aRequest, image }, key))
  const sent = await until(() => provider.submits[0])
  // One that comes when the job is already there.
  all.push(service.submit({ ...aRequest, image }, key))
  json(sent.response, 200, { task_id: 't-1' })
  const responses = await Promise.all(all)
  expect(responses.map(response => response.status)).toEqual(all.map(() => 202))
  expect(responses.filter(response => replayed(response) === null)).toHaveLength(1)
  const jobs = await Promise.all(responses.map(jobOf))
  expect(new Set(jobs.map(job => `${job.id} ${job.task_id}`)).size).toBe(1)
  expect(jobs[0]?.task_id).toBe('t-1')
  expect(provider.submits).toHaveLength(1)
  expect(await filesOf(service)).toHaveLength(1)
})

test('another request under the same key is a 422 that leaves nothing, while the first is under way and after', async () => {
  const provider = await fakeProvider(() => {})
  const service = await startOn(provider)
  const first = service.submit(aRequest, key)
  const sent = await until(() => provider.submits[0])
  const other = { ...aRequest, prompt: 'light mode', image: dataUrl(await picture()) }
  expect((await service.submit(other, key)).status).toBe(422)
  json(sent.response, 200, { task_id: 't-1' })
  expect((await first).status).toBe(202)
  const response = await service.submit(other, key)
  expect([response.status, await response.json()]).toMatchObject([
    422,
    { error: { code: 'idempotency_mismatch', param: 'Idempotency-Key' } },
  ])
  expect(provider.submits).toHaveLength(1)
  expect(await filesOf(service)).toEqual([])
})

test('a form and JSON with the same fields and the same picture are the same request', async () => {
  const provider = await fakeProvider()
  const service = await startOn(provider)
  const bytes = await picture()
  const asJson = {
    prompt: 'dark mode',
    model: 'gpt-image-1',
    n: 2,
    output_compression: 80,
    image: dataUrl(bytes),
    metadata: { a: 'b' },
  }
  const first = await jobOf(service.submit(asJson, key))
  const form = new FormData()
  form.append('metadata', '{"a":"b"}')
  form.append('output_compression', '80')
  form.append('n', '2')
  form.append('model', 'gpt-image-1')
  form.append('image[]', new File([new Uint8Array(bytes)], 'other-name.png'))
  form.append('prompt', 'dark mode')
  const second = await service.call('/jobs', { method: 'POST', headers: key, body: form })
  expect(replayed(second)).toBe('true')
  expect((await jobOf(second)).id).toBe(first.id)
  expect(provider.submits).toHaveLength(2)
  expect(await filesOf(service)).toHaveLength(1)
})

test('an answer is replayed after a restart, and for 24 hours', async () => {
  const clock = testClock()
  const provider = await fakeProvider()
  const settings = { DATA_DIR: await testFolder() }
  const first = await startOn(provider, settings, { clock })
  const answer = await (await first.submit(aRequest, key)).text()
  await first.close(2_000)
  await clock.advance(86_399_999)
  const second = await startOn(provider, { ...settings }, { clock })
  const again = await second.submit(aRequest, key)
  expect(replayed(again)).toBe('true')
  const ids = [answer, await again.text()].map(text => (JSON.parse(text) as { id: string }).id)
  expect(ids[0]).toBe(ids[1])
  await clock.advance(1)
  const anew = await second.submit(aRequest, key)
  expect(replayed(anew)).toBeNull()
  expect((await jobOf(anew)).id).not.toBe(ids[0])
  expect(provider.submits).toHaveLength(2)
})

test('a replay after a restart with another JOB_TIMEOUT_S is still one', async () => {
  const provider = await fakeProvider()
  const settings = { DATA_DIR: await testFolder() }
  const first = await startOn(provider, { ...settings, JOB_TIMEOUT_S: '1800' })
  const job = await jobOf(first.submit(aRequest, key))
  await first.close(2_000)
  const second = await startOn(provider, { ...settings, JOB_TIMEOUT_S: '900' })
  const again = await second.submit(aRequest, key)
  expect([again.status, replayed(again)]).toEqual([202, 'true'])
  expect((await jobOf(again)).id).toBe(job.id)
  expect((await second.submit({ ...aRequest, timeout_s: 60 }, key)).status).toBe(422)
  expect(provider.submits).toHaveLength(1)
})

test('each API key has keys of its own', async () => {
  const provider = await fakeProvider()
  const service = await startOn(provider, { API_KEYS: 'ann:a,bob:b' })
  const as = (secret: string) => service.submit(aRequest, { ...key, authorization: `Bearer ${secret}` })
  const [ann, bob, annAgain] = [await jobOf(as('a')), await jobOf(as('b')), await jobOf(as('a'))]
  expect(annAgain.id).toBe(ann.id)
  expect(bob.id).not.toBe(ann.id)
  expect(provider.submits).toHaveLength(2)
})

describe('refusals', () => {
  const refused = async (service: Running) => {
    const response = await service.submit(aRequest, key)
    const { error, job_id: jobId } = (await response.json()) as { error: { code: string }; job_id: string }
    return { status: response.status, code: error.code, jobId, replayed: replayed(response) }
  }

  test('one by the provider is answered again as it was', async () => {
    const provider = await fakeProvider((sent, index) =>
      index === 0 ? json(sent.response, 403, failure('used_up')) : accept(sent, index),
    )
    const service = await startOn(provider)
    const first = await refused(service)
    expect(first).toMatchObject({ status: 402, code: 'used_up', replayed: null })
    expect(await refused(service)).toEqual({ ...first, replayed: 'true' })
    expect(provider.submits).toHaveLength(1)
  })

  test('one of our own, which made no job, leaves the key free', async () => {
    const provider = await fakeProvider()
    const service = await startOn(provider)
    expect((await service.submit({ ...aRequest, prompt: '' }, key)).status).toBe(400)
    const response = await service.submit(aRequest, key)
    expect([response.status, replayed(response)]).toEqual([202, null])
  })
})

test('the key of a job that was deleted still protects against a second charge, and nothing of the request is kept', async () => {
  const provider = await fakeProvider()
  const service = await startOn(provider)
  const prompt = 'a prompt that nobody else writes'
  const job = await jobOf(service.submit({ ...aRequest, prompt }, key))
  await callBack(service, provider.submits[0] as Sent, picturesAt('http://127.0.0.1:1/a.png'))
  expect(await rowsWith(service, prompt)).toBeGreaterThan(0)
  expect((await service.call(`/jobs/${job.id}`, { method: 'DELETE' })).status).toBe(204)
  expect(await rowsWith(service, prompt)).toBe(0)
  const again = await service.submit({ ...aRequest, prompt }, key)
  expect([again.status, replayed(again), await again.json()]).toMatchObject([
    409,
    null,
    { error: { code: 'conflict', message: 'the job of this Idempotency-Key was deleted', param: 'Idempotency-Key' } },
  ])
  expect((await service.submit({ ...aRequest, prompt: 'another' }, key)).status).toBe(422)
  expect(provider.submits).toHaveLength(1)
  expect(await filesOf(service)).toEqual([])
})

/** How many rows of all tables hold a text. */
async function rowsWith(service: Running, text: string): Promise<number> {
  const database = openDatabase(join(service.dataDir, 'darkroom.db'), 'reader')
  try {
    const tables = database.prepare<[], { name: string }>("select name from sqlite_schema where type = 'table'").all()
    const rows = tables.flatMap(({ name }) => database.prepare(`select * from "${name}"`).all())
    return rows.filter(row => JSON.stringify(row).includes(text)).length
  } finally {
    database.close()
  }
}
