import { expect, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import type { ErrorBody } from '../../src/http/errors.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { type Running, startTestService } from '../support/service.ts'
import { formType, imageOf, prompt, rawForm } from './forms.ts'
import { expectNothingDone, refusalOf } from './refusals.ts'
import { head, openLine, sendRaw } from './wire.ts'

const form = rawForm([prompt, imageOf(await picture())])

/** A form as a page sends it without asking anybody. */
async function statusOf(service: Running, headers: Record<string, string>): Promise<number> {
  const line = await openLine(service.url)
  line.send(head('POST /jobs', { 'content-type': formType, 'content-length': form.length, ...headers }))
  line.send(form)
  return (await line.answer()).status
}

const foreign: readonly Record<string, string>[] = [
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-site', host: 'localhost:3000', origin: 'http://localhost:3000' },
  { origin: 'https://evil.example', host: 'localhost:3000' },
  { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
  // Another program's page on the same machine.
  { origin: 'http://localhost:8080', host: 'localhost:3000' },
  { origin: 'http://localhost', host: 'localhost:3000' },
  { origin: 'http://localhost:3000.evil.example', host: 'localhost:3000' },
  // A name that its owner lets lead to us.
  { origin: 'http://evil.example:3000', host: 'evil.example:3000', 'sec-fetch-site': 'same-origin' },
  { origin: 'null', host: 'null' },
  { origin: '', host: '' },
  { origin: 'file://', host: '' },
  { origin: 'chrome-extension://abcdef', host: 'abcdef' },
  { origin: 'http://localhost:3000, https://evil.example', host: 'localhost:3000' },
]

test('without keys, a page of another site changes nothing, and its body is not read', async () => {
  const service = await startTestService()
  const refuse = async (way: string, headers: Record<string, string>): Promise<void> => {
    // A body is announced and never sent: an answer comes all the same.
    const answer = await sendRaw(service.url, head(way, { 'content-length': 1_000_000, 'content-type': formType, ...headers }))
    const { error } = JSON.parse(answer.body) as ErrorBody
    expect([way, headers, answer.status, error.code]).toEqual([way, headers, 401, 'unauthorized'])
    expect(error.message).toMatch(/pages of other sites need an API key/)
  }
  for (const headers of foreign) await refuse('POST /jobs', headers)
  const ways = ['POST /v1/images/edits', 'POST /openai/images/edits', 'POST /jobs/x/retry', 'POST /jobs/x/cancel']
  for (const way of [...ways, 'DELETE /jobs/x', 'POST /jobs/x/redeliver', 'POST /openai/tasks'])
    await refuse(way, { origin: 'https://evil.example' })
  await expectNothingDone(service)
})

test('our own page changes what it likes, by its address or by the name that it was given', async () => {
  const service = await startTestService({ PUBLIC_URL: 'https://Darkroom.example.com/path' })
  const own: readonly Record<string, string>[] = [
    {},
    { 'sec-fetch-site': 'none' },
    ...['localhost:3000', '127.0.0.1:3000', '[::1]:3000', '192.168.1.5'].flatMap(host => [
      { host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' },
      { host, origin: `https://${host}` },
    ]),
    // Behind a proxy that does not hand on what it was called.
    { host: 'darkroom:3000', origin: 'https://darkroom.example.com', 'sec-fetch-site': 'same-origin' },
  ]
  for (const headers of own) expect([headers, await statusOf(service, headers)]).toEqual([headers, 202])
  expect([await statusOf(service, { host: 'darkroom:3000', origin: 'http://darkroom.example.com' })]).toEqual([401])
})

test('what a trusted proxy says that it was called counts, and what anybody else says does not', async () => {
  const headers = { host: 'darkroom:3000', origin: 'https://a.example.com', 'x-forwarded-host': 'a.example.com' }
  expect(await statusOf(await startTestService({ TRUST_PROXY: '127.0.0.1' }), headers)).toBe(202)
  expect(await statusOf(await startTestService(), headers)).toBe(401)
})

test('without a public URL, the page at our own address is ours', async () => {
  const service = await startTestService()
  const origin = new URL(service.baseUrl()).origin
  expect(await statusOf(service, { host: 'darkroom', origin })).toBe(202)
})

test('pages of other sites may look at what is open, and callbacks come from anywhere', async () => {
  const service = await startTestService({ SANDBOX_FAULTS: 'lost' })
  const job = (await (await service.submit({ prompt: 'dark', image: dataUrl(await picture()) })).json()) as JobView
  const headers = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
  for (const path of ['/jobs', `/jobs/${job.id}`, `/jobs/${job.id}/inputs/0`, '/healthz'])
    expect([path, (await service.call(path, { headers })).status]).toEqual([path, 200])
  const callback = new URL(service.sandbox?.submits[0]?.callbackUrl ?? '').pathname
  const body = JSON.stringify({ data: [{ url: 'https://example.com/a.png' }] })
  expect((await service.call(callback, { method: 'POST', headers, body })).status).toBe(200)
})

test('with keys, it is the key that counts, wherever the page is', async () => {
  const service = await startTestService({ API_KEYS: 'ann:key-of-ann' })
  for (const headers of foreign)
    expect([headers, await statusOf(service, { ...headers, authorization: 'Bearer key-of-ann' })]).toEqual([headers, 202])
})

test('pages of other sites that go on trying are limited', async () => {
  const service = await startTestService({ RATE_LIMIT_MAX: '2' })
  const ask = () => service.call('/jobs', { method: 'POST', headers: { origin: 'https://evil.example' } })
  for (const status of [401, 401, 429]) expect(await refusalOf(await ask())).toMatchObject({ status })
})
