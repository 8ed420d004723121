import { expect, test } from 'vitest'
import { testClock } from '../support/clock.ts'
import { picture } from '../support/pictures.ts'
import {
  aRequest,
  type FakeProvider,
  failure,
  fakeProvider,
  filesOf,
  finished,
  firstLook,
  jobOf,
  json,
  passUntil,
  read,
  running,
  type Sent,
  startOn,
} from './setting.ts'

/** A submit that nobody answered: it is looked for by its callback URL. */
const unanswered = async (answer: (sent: Sent, index: number) => void = ({ response }) => response.writeHead(502).end()) => {
  const clock = testClock()
  const provider = await fakeProvider(answer)
  const service = await startOn(provider, { POLL_AFTER_S: '10' }, { clock })
  const job = await jobOf(service.submit(aRequest))
  return { clock, provider, service, job, callbackUrl: provider.submits[0]?.callbackUrl ?? '' }
}
const owned = (record: object, callbackUrl: string) => ({ ...record, request: { callback_url: callbackUrl } })
const others = (provider: FakeProvider, count: number) => {
  for (let index = 0; index < count; index += 1)
    provider.records.push(owned(finished(`o-${index}`), `https://us.example.com/callbacks/${index}.forged`))
}

test('however many records there are, and however few an answer holds', async () => {
  const { clock, provider, service, job, callbackUrl } = await unanswered()
  provider.pageSize = 12
  others(provider, 50)
  provider.records.push(owned(finished('t-9'), callbackUrl))
  expect(job).toMatchObject({ tasks: [{ status: 'unconfirmed', task_id: null }] })
  const ended = await passUntil(clock, async () => {
    const now = await read(service, job.id)
    return now.status === 'succeeded' && now
  })
  expect(ended).toMatchObject({ task_id: 't-9', tasks: [{ source: 'poll' }] })
  expect(provider.asked.map(query => query['offset'] ?? null)).toEqual([0, 0, 12, 24, 36, 48, 0])
  expect(provider.asked.filter(query => 'type' in query)).toEqual([])
})

test('and the search ends where a provider gives the same page for ever', async () => {
  const { clock, provider, service } = await unanswered()
  provider.onAsked = response => json(response, 200, { items: [owned(finished('o-1'), 'https://elsewhere.example.com')] })
  await clock.advance(10_000)
  await passUntil(clock, () => service.log.lines.some(line => line.event === 'poll.done'))
  // By its trace id, which that provider does not look by, and by time.
  expect(firstLook(provider)).toHaveLength(3)
})

test('once it is found it is asked for by its id', async () => {
  const { clock, provider, service, job, callbackUrl } = await unanswered()
  provider.records.push(owned(running('t-9'), callbackUrl))
  const found = await passUntil(clock, async () => {
    const now = await read(service, job.id)
    return now.task_id !== null && now
  })
  expect(found).toMatchObject({ status: 'processing', task_id: 't-9', tasks: [{ status: 'submitted' }] })
  provider.asked.length = 0
  await passUntil(clock, () => provider.asked.length > 0)
  expect(provider.asked[0]).toMatchObject({ ids: ['t-9'] })
})

test('one that was tried more than once has the best of its records', async () => {
  const answer = ({ response }: Sent, index: number) =>
    index === 0 ? json(response, 500, failure('api_error')) : response.writeHead(502).end()
  const { clock, provider, service, job, callbackUrl } = await unanswered(answer)
  await passUntil(clock, () => provider.submits.length === 2)
  provider.records.push(owned(finished('t-1', failure('api_error')), callbackUrl))
  const paid = await picture()
  provider.records.push(owned(finished('t-2', { data: [{ b64_json: paid.toString('base64') }] }), callbackUrl))
  provider.records.push(owned(running('t-3'), callbackUrl))
  const ended = await passUntil(clock, async () => {
    const now = await read(service, job.id)
    return now.status === 'succeeded' && now
  })
  expect(ended).toMatchObject({ task_id: 't-2', result: { data: [{ bytes: paid.length }] } })
  expect(await filesOf(service)).toEqual([expect.stringContaining(`${job.id}/out-`)])
})
