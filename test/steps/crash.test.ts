import { expect, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { testClock } from '../support/clock.ts'
import { testFolder } from '../support/folder.ts'
import { freePort, startProcess } from '../support/process.ts'
import { aRequest, becomes, callBack, fakeProvider, json, picturesAt, read, settingsFor, startOn, until } from './setting.ts'

/** A service that is killed while a submit is under way, of which the provider heard everything. */
async function killedWhileSubmitting() {
  const provider = await fakeProvider(() => {})
  const dataDir = await testFolder()
  const port = String(await freePort())
  const killed = await startProcess({ ...settingsFor(provider.url), PORT: port, DATA_DIR: dataDir, LOG_LEVEL: 'info' })
  const headers = { 'content-type': 'application/json', 'idempotency-key': 'k-1' }
  const answered = fetch(`${killed.url}/jobs`, { method: 'POST', headers, body: JSON.stringify({ ...aRequest, n: 2 }) }).catch(
    () => null,
  )
  await until(() => provider.submits.length === 2)
  await killed.end('SIGKILL')
  await answered
  // Half an hour later.
  const clock = testClock(Date.now() + 1_500_000)
  const service = await startOn(provider, { DATA_DIR: dataDir }, { clock })
  const { data } = (await (await service.call('/jobs')).json()) as { data: [JobView] }
  return { provider, service, clock, job: data[0] }
}

test('submits that died with their process are never sent again, and end by their callback or by the provider’s records', async () => {
  const { provider, service, clock, job } = await killedWhileSubmitting()
  expect(job).toMatchObject({
    status: 'processing',
    tasks: [
      { status: 'unconfirmed', attempts: 1, task_id: null },
      { status: 'unconfirmed', attempts: 1, task_id: null },
    ],
    cost: { billable: 'unknown' },
  })
  // The same request again joins what there is.
  const again = await service.submit({ ...aRequest, n: 2 }, { 'idempotency-key': 'k-1' })
  expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([202, 'true'])
  expect(await again.json()).toMatchObject({ id: job.id })

  const [first, second] = provider.submits
  if (first === undefined || second === undefined) throw new Error('two came')
  expect(await callBack(service, second, { ...picturesAt('http://127.0.0.1:1/2.png'), task_id: 't-2' })).toBe(200)

  // What the provider says of the other one, among those of others.
  const of = (id: string, callbackUrl: string) => ({ id, request: { callback_url: callbackUrl } })
  provider.records.push({
    ...of('x', 'https://us.example.com/callbacks/1.forged'),
    response: picturesAt('http://127.0.0.1:1/x.png'),
  })
  const record: Record<string, unknown> = { ...of('t-1', first.callbackUrl), response: null, finished_at: null }
  provider.records.push(record)
  const seen = await until(async () => {
    await clock.advance(1_000)
    const now = await read(service, job.id)
    return now.tasks.some(task => task.task_id === 't-1') && now
  })
  expect(new Set(seen.tasks.map(task => task.status))).toEqual(new Set(['submitted', 'succeeded']))
  Object.assign(record, { response: picturesAt('http://127.0.0.1:1/1.png'), finished_at: 1 })
  const ended = await until(async () => {
    await clock.advance(5_000)
    const now = await read(service, job.id)
    return now.status === 'succeeded' && now
  })
  expect(new Set(ended.tasks.map(task => task.source))).toEqual(new Set(['callback', 'poll']))
  expect(ended.result?.data).toHaveLength(2)
  expect(provider.submits).toHaveLength(2)
  // It was looked for from when it was first due, not from when the service came up again.
  const [{ created_at_min: from } = {}] = provider.asked.filter(query => 'created_at_min' in query)
  expect(Number(from) * 1_000).toBeLessThan(Date.parse(job.created_at))
})

test('a submit that is given up on by stopping is unconfirmed, and not sent again by the next start', async () => {
  const provider = await fakeProvider(({ response }, index) =>
    index === 1 ? json(response, 200, { task_id: 't-2' }) : undefined,
  )
  const settings = { DATA_DIR: await testFolder() }
  const first = await startOn(provider, settings)
  const answered = first.submit(aRequest).catch(() => null)
  await until(() => provider.submits.length === 1)
  await first.close(1_050)
  await answered
  const second = await startOn(provider, settings)
  const { data } = (await (await second.call('/jobs')).json()) as { data: [JobView] }
  expect(data[0]).toMatchObject({ tasks: [{ status: 'unconfirmed', attempts: 1 }] })
  const other = (await (await second.submit({ ...aRequest, prompt: 'other' })).json()) as JobView
  await becomes(second, other.id, job => job.task_id === 't-2')
  expect(provider.submits.map(sent => sent.prompt)).toEqual(['dark mode', 'other'])
})
