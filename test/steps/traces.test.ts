import { expect, onTestFinished, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { testClock } from '../support/clock.ts'
import { testFolder } from '../support/folder.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { type Running, startTestService } from '../support/service.ts'
import {
  accept,
  aRequest,
  type FakeProvider,
  fakeProvider,
  finished,
  firstLook,
  jobOf,
  json,
  passUntil,
  read,
  type Sent,
  settingsFor,
  startOn,
} from './setting.ts'

const pollMode = { PUBLIC_URL: '', POLL_EVERY_S: '10' }
const lose = ({ response }: Sent): void => void response.writeHead(502).end()

/** A job whose submit nobody answered, with no address for callbacks unless the settings name one. */
async function lost(request: object = {}, settings: Record<string, string> = {}) {
  const clock = testClock()
  const provider = await fakeProvider(lose)
  const service = await startOn(provider, { ...pollMode, ...settings }, { clock })
  const job = await jobOf(service.submit({ ...aRequest, ...request }))
  expect(job.tasks.map(task => task.status)).toEqual(job.tasks.map(() => 'unconfirmed'))
  return { clock, provider, service, job }
}

const traceOf = (sent: Sent | undefined): string => String(sent?.fields['trace_id'])

/** The record that the provider keeps of a submit: without its callback_url, as some are. */
function keep(provider: FakeProvider, sent: Sent | undefined, id: string, at: number, changes: object = {}): void {
  const { callback_url: _, ...request } = sent?.fields ?? {}
  provider.records.push({ ...finished(id), trace_id: traceOf(sent), request, created_at: at / 1_000, ...changes })
}

async function ended(clock: ReturnType<typeof testClock>, service: Running, job: JobView): Promise<JobView> {
  return passUntil(clock, async () => {
    const now = await read(service, job.id)
    return now.status !== 'processing' && now
  })
}

/** Lets the provider be asked so often, and gives the job as it is then. */
async function afterPolls(clock: ReturnType<typeof testClock>, service: Running, job: JobView, polls = 2): Promise<JobView> {
  await passUntil(clock, () => service.log.lines.filter(line => line.event === 'poll.done').length >= polls)
  return read(service, job.id)
}

test('a lost submit is found by the trace id that went with it, without an address for callbacks', async () => {
  const { clock, provider, service, job } = await lost()
  const [sent] = provider.submits
  // However far the clocks are apart, and whatever else the record says.
  keep(provider, sent, 't-9', clock.now() - 86_400_000, { type: 'images_edits', request: {} })
  expect(await ended(clock, service, job)).toMatchObject({ status: 'succeeded', task_id: 't-9', tasks: [{ source: 'poll' }] })
  expect(provider.submits).toHaveLength(1)
  const [first] = provider.asked
  expect(first).toEqual({ action: 'retrieve_batch', trace_ids: [traceOf(sent)], offset: 0, limit: 100 })
  // An id and a trace id together would be taken for the trace id alone.
  expect(provider.asked.filter(query => 'trace_ids' in query && 'ids' in query)).toEqual([])
})

test.each([
  ['without an address for callbacks', pollMode, []],
  ['with one, where no callback comes', { POLL_AFTER_S: '10' }, []],
  ['with one, where records do not repeat it', { POLL_AFTER_S: '10' }, ['bare-record' as const]],
  ['with one, where trace ids are ignored', { POLL_AFTER_S: '10' }, ['own-trace' as const]],
  ['where records have an older form', { POLL_AFTER_S: '10' }, ['old-record' as const]],
])('lost submits of every model are found, %s', async (_where, settings, faults) => {
  const sandbox = await startSandbox({ port: 0, delayMs: 20, faults: ['reset', 'lost', ...faults] })
  onTestFinished(() => sandbox.close())
  // The sandbox keeps its own time, by which it is looked for.
  const clock = testClock(Date.now())
  const service = await startTestService({ ...settingsFor(sandbox.baseUrl), ...settings }, { clock })
  const image = dataUrl(await picture())
  const models = ['gpt-image-2', 'gpt-image-1', 'nano-banana', 'some-other']
  const jobs = await Promise.all(models.map(async model => jobOf(service.submit({ ...aRequest, image, model }))))
  await sandbox.settled()
  for (const job of jobs)
    expect(await ended(clock, service, job)).toMatchObject({ status: 'succeeded', tasks: [{ source: 'poll', attempts: 1 }] })
  expect(sandbox.charges).toBe(models.length)
})

test('a record that repeats neither is not guessed at', async () => {
  const sandbox = await startSandbox({ port: 0, delayMs: 20, faults: ['reset', 'lost', 'bare-record', 'own-trace'] })
  onTestFinished(() => sandbox.close())
  const clock = testClock(Date.now())
  const service = await startTestService({ ...settingsFor(sandbox.baseUrl), POLL_AFTER_S: '10' }, { clock })
  const job = await jobOf(service.submit({ ...aRequest, image: dataUrl(await picture()) }))
  await sandbox.settled()
  expect(await afterPolls(clock, service, job)).toMatchObject({ task_id: null, tasks: [{ status: 'unconfirmed', attempts: 1 }] })
})

test('and with one, where its record does not repeat the callback URL', async () => {
  const settings = { PUBLIC_URL: 'https://us.example.com', POLL_AFTER_S: '10' }
  const { clock, provider, service, job } = await lost({}, settings)
  keep(provider, provider.submits[0], 't-9', clock.now())
  expect(await ended(clock, service, job)).toMatchObject({ status: 'succeeded', task_id: 't-9' })
})

test('each task of a job has a trace id of its own, however often it is tried', async () => {
  const clock = testClock()
  const provider = await fakeProvider((sent, index) =>
    index === 0 ? json(sent.response, 429, { error: { code: 'rate_limited', message: 'wait' } }) : accept(sent, index),
  )
  const service = await startOn(provider, pollMode, { clock })
  await service.submit({ ...aRequest, n: 3 })
  await passUntil(clock, () => provider.submits.length === 4)
  const ids = provider.submits.map(traceOf)
  expect(new Set(ids).size).toBe(3)
  expect(ids.at(-1)).toBe(ids[0])
})

test('where the provider gives its own, the one that was submitted is looked for in the request', async () => {
  const { clock, provider, service, job } = await lost()
  const [sent] = provider.submits
  keep(provider, sent, 't-9', clock.now(), { trace_id: 'its-own' })
  expect(await ended(clock, service, job)).toMatchObject({ task_id: 't-9', tasks: [{ trace_id: 'its-own' }] })
})

test('it is found after the secret was changed, by the older one', async () => {
  const clock = testClock()
  const provider = await fakeProvider(lose)
  const settings = { ...pollMode, DATA_DIR: await testFolder() }
  const before = await startOn(provider, { ...settings, SECRET: 'secret-of-before' }, { clock })
  const job = await jobOf(before.submit(aRequest))
  await before.close(1_000)
  keep(provider, provider.submits[0], 't-9', clock.now(), { request: {} })
  const service = await startOn(provider, { ...settings, SECRET: 'secret-of-today- secret-of-before' }, { clock })
  expect(await ended(clock, service, job)).toMatchObject({ status: 'succeeded', task_id: 't-9' })
})

test('a record that names another task of ours by its callback URL is not taken for its trace id', async () => {
  const settings = { PUBLIC_URL: 'https://us.example.com', POLL_AFTER_S: '10' }
  const { clock, provider, service, job } = await lost({}, settings)
  await service.submit({ ...aRequest, prompt: 'light mode' })
  const [first, second] = provider.submits
  keep(provider, first, 't-9', clock.now(), { request: { callback_url: second?.callbackUrl } })
  const after = await afterPolls(clock, service, job)
  expect(after).toMatchObject({ status: 'processing', task_id: null })
})

test('a provider that does not look by trace ids is not read to its end for them', async () => {
  const { clock, provider, service, job } = await lost()
  const everybody = Array.from({ length: 12 }, (_, index) => finished(`o-${index}`))
  provider.onAsked = response => json(response, 200, { items: everybody })
  await afterPolls(clock, service, job, 1)
  expect(firstLook(provider).map(query => ['trace_ids' in query, query['offset']])).toEqual([
    [true, 0],
    [false, 0],
    [false, 12],
  ])
})

test.each(['trace_ids', 'created_at_min'])(
  'where the provider does not answer to %s, the other way is gone all the same',
  async refused => {
    const settings = { PUBLIC_URL: 'https://us.example.com', POLL_AFTER_S: '10' }
    const { clock, provider, service, job } = await lost({}, settings)
    const [sent] = provider.submits
    const record = { ...finished('t-9'), trace_id: traceOf(sent), request: sent?.fields }
    provider.onAsked = response => {
      const query = provider.asked.at(-1) ?? {}
      if (refused in query) return json(response, 400, { success: false, error: { code: 'bad_request', message: 'what?' } })
      return json(response, 200, { items: query['offset'] === 0 ? [record] : [] })
    }
    expect(await ended(clock, service, job)).toMatchObject({ status: 'succeeded', task_id: 't-9' })
  },
)

test('a client’s own trace id goes to the provider, is kept, and is no reason to ask by', async () => {
  const { clock, provider, service, job } = await lost({ trace_id: 'order-1' })
  expect(traceOf(provider.submits[0])).toBe('order-1')
  expect(job.params).toEqual({ trace_id: 'order-1' })
  keep(provider, provider.submits[0], 't-9', clock.now())
  expect(await ended(clock, service, job)).toMatchObject({ status: 'succeeded', task_id: 't-9' })
  expect(provider.asked.filter(query => 'trace_ids' in query)).toEqual([])
})

test('with n over 1 it stays here, and ours go', async () => {
  const { provider, job } = await lost({ trace_id: 'order-1', n: 2 })
  expect(new Set(provider.submits.map(traceOf))).not.toContain('order-1')
  expect(new Set(provider.submits.map(traceOf)).size).toBe(2)
  expect(job).toMatchObject({ params: { trace_id: 'order-1' }, warnings: [expect.stringContaining('trace_id')] })
})

test.each<[string, (sent: Sent | undefined, provider: FakeProvider, now: number) => void]>([
  [
    'of another request',
    (sent, provider, now) => keep(provider, sent, 't-9', now, { request: { ...sent?.fields, prompt: 'x' } }),
  ],
  ['of another time', (sent, provider, now) => keep(provider, sent, 't-9', now - 600_000)],
  ['of no time', (sent, provider, now) => keep(provider, sent, 't-9', now, { created_at: null })],
  [
    'that is one of two',
    (sent, provider, now) => {
      keep(provider, sent, 't-8', now)
      keep(provider, sent, 't-9', now)
    },
  ],
])('a record under a client’s trace id %s is nobody’s', async (_what, leave) => {
  const { clock, provider, service, job } = await lost({ trace_id: 'order-1' })
  leave(provider.submits[0], provider, clock.now())
  expect(await afterPolls(clock, service, job)).toMatchObject({ status: 'processing', task_id: null })
})

test('nor is one that may be another job’s, found or not', async () => {
  const clock = testClock()
  const provider = await fakeProvider((sent, index) => (index === 0 ? accept(sent, index) : lose(sent)))
  const service = await startOn(provider, pollMode, { clock })
  const request = { ...aRequest, trace_id: 'order-1' }
  await service.submit(request)
  const job = await jobOf(service.submit(request))
  // The first one's, whose id is known.
  keep(provider, provider.submits[0], 't-1', clock.now(), { finished_at: null, response: null })
  expect(await afterPolls(clock, service, job)).toMatchObject({ task_id: null, tasks: [{ status: 'unconfirmed' }] })
  await service.submit(request)
  // One of two whose ids are not known.
  keep(provider, provider.submits[1], 't-9', clock.now(), { finished_at: null, response: null })
  expect(await afterPolls(clock, service, job, 4)).toMatchObject({ task_id: null, tasks: [{ status: 'unconfirmed' }] })
})
