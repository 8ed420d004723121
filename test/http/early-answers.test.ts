import { expect, test } from 'vitest'
import { testClock } from '../support/clock.ts'
import { dataUrl, picture } from '../support/pictures.ts'
import { type Running, startTestService } from '../support/service.ts'
import { formType, rawForm } from './forms.ts'
import { head, type Line, openLine } from './wire.ts'

const json = 'application/json'
const mebibyte = 2 ** 20

/** What is refused before its body has come to its end: the first bytes decide, and the rest is only long. */
const refusals: { name: string; status: number; first: string; type?: string; begin: string; authorization?: string }[] = [
  { name: 'a file under a wrong name', status: 400, first: 'POST /jobs', type: formType, begin: filePart('picture') },
  { name: 'broken JSON', status: 400, first: 'POST /jobs', type: json, begin: '}' },
  { name: 'JSON that is too large', status: 413, first: 'POST /jobs', type: json, begin: `{"prompt": "${'a'.repeat(mebibyte)}` },
  { name: 'a wrong key', status: 401, first: 'POST /jobs', type: json, begin: '{', authorization: 'Bearer wrong' },
  { name: 'an unknown route', status: 404, first: 'POST /nothing', type: json, begin: '{' },
  { name: 'a type that is not taken', status: 415, first: 'POST /jobs', type: 'text/plain', begin: 'a' },
  { name: 'an unknown token', status: 404, first: 'POST /callbacks/forged', type: json, begin: '{' },
  { name: 'a path that cannot be read', status: 400, first: 'POST /%zz', type: json, begin: '{' },
  { name: 'a body where none belongs', status: 404, first: 'GET /jobs/job_unknown', type: json, begin: 'a' },
  {
    name: 'an OpenAI call with a wrong field',
    status: 400,
    first: 'POST /v1/images/edits',
    type: formType,
    begin: filePart('x'),
  },
]

function filePart(name: string): string {
  return `--a-boundary\r\nContent-Disposition: form-data; name="${name}"; filename="a.png"\r\n\r\n${'x'.repeat(70_000)}`
}

const keyed = { API_KEYS: 'ann:key-of-ann', SANDBOX_FAULTS: 'lost' }
const ann = 'Bearer key-of-ann'

/** Sends a head that announces `sizeBytes` and the first bytes of its body. */
function begin(line: Line, refusal: (typeof refusals)[number], sizeBytes: number): void {
  const { first, type = json, authorization = ann } = refusal
  line.send(head(first, { 'content-type': type, 'content-length': sizeBytes, authorization }))
  line.send(refusal.begin)
}

async function goodOrder(): Promise<string> {
  const body = JSON.stringify({ prompt: 'a', image: dataUrl(await picture()) })
  return `${head('POST /jobs', { 'content-type': json, 'content-length': body.length, authorization: ann })}${body}`
}

async function jobCount(service: Running): Promise<number> {
  const list = await service.call('/jobs', { headers: { authorization: ann } })
  return ((await list.json()) as { data: unknown[] }).data.length
}

for (const refusal of refusals) {
  test(`${refusal.name}: answered before its body ends, the answer is the last, and the rest is read`, async () => {
    const service = await startTestService(keyed)
    const sizeBytes = 3 * mebibyte
    const line = await openLine(service.url)
    begin(line, refusal, sizeBytes)
    const answer = await line.answer()
    expect([answer.status, answer.headers['connection']]).toEqual([refusal.status, 'close'])
    // Nobody may take this for a connection that can be used again: a good order that follows is not begun.
    line.send(`${'x'.repeat(sizeBytes - refusal.begin.length)}${await goodOrder()}`)
    line.socket.end()
    expect(await line.closed()).toBe('')
    expect(line.socket.errored).toBeNull()
    expect(await jobCount(service)).toBe(0)
  })
}

test('the rest of a refused body is not read for longer than 30 s', async () => {
  const clock = testClock()
  const service = await startTestService(keyed, { clock })
  const line = await openLine(service.url)
  const refusal = { name: '', status: 404, first: 'POST /nothing', begin: '{' }
  begin(line, refusal, 100 * mebibyte)
  expect((await line.answer()).headers['connection']).toBe('close')
  for (let second = 0; second < 30; second += 1) {
    expect(line.socket.readableEnded).toBe(false)
    line.send('x'.repeat(20_000))
    await clock.advance(1_000)
  }
  await clock.advance(2_000)
  expect(await line.closed()).toBe('')
})

test('a body that had come to its end before its answer leaves the connection open for the next order', async () => {
  const service = await startTestService(keyed)
  const line = await openLine(service.url)
  // A path that cannot be read meets none of the hooks that wait for a body that has come.
  for (const refusal of refusals.filter(({ first }) => first !== 'POST /%zz')) {
    const { first, type = json, authorization = ann, status } = refusal
    const body = refusal.begin
    line.send(`${head(first, { 'content-type': type, 'content-length': body.length, authorization })}${body}`)
    const answer = await line.answer()
    expect([refusal.name, answer.status]).toEqual([refusal.name, status])
    expect([refusal.name, answer.headers['connection']]).toEqual([refusal.name, 'keep-alive'])
  }
  line.send(await goodOrder())
  expect((await line.answer()).status).toBe(202)
})

test('a chunked body is read on like one of a known length', async () => {
  const service = await startTestService(keyed)
  const line = await openLine(service.url)
  line.send(head('POST /jobs', { 'content-type': json, 'transfer-encoding': 'chunked', authorization: ann }))
  line.send('1\r\n}\r\n')
  const answer = await line.answer()
  expect([answer.status, answer.headers['connection']]).toEqual([400, 'close'])
  const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`
  line.send(`${chunk.repeat(50)}0\r\n\r\n`)
  expect(await line.closed()).toBe('')
  expect(line.socket.errored).toBeNull()
})

test('a request that is answered while the service closes is told that its connection ends', async () => {
  const service = await startTestService(keyed)
  const job = (await (await service.call('/jobs', submit(await picture()))).json()) as { id: string }
  const line = await openLine(service.url)
  line.send(head(`GET /jobs/${job.id}?wait=60`, { authorization: ann }))
  const pinged = await openLine(service.url)
  pinged.send(head('GET /healthz'))
  await pinged.answer()
  const closing = service.close(5_000)
  const answer = await line.answer()
  expect([answer.status, answer.headers['connection']]).toEqual([200, 'close'])
  await closing
})

function submit(bytes: Buffer): RequestInit {
  const body = JSON.stringify({ prompt: 'a', image: dataUrl(bytes) })
  return { method: 'POST', headers: { authorization: ann, 'content-type': json }, body }
}

test('many callers in turn on kept connections: nobody gets another one’s refusal', async () => {
  const service = await startTestService(keyed)
  const form = rawForm([{ name: 'wrong', filename: 'a.png', body: Buffer.alloc(400_000, 1) }])
  for (let round = 0; round < 10; round += 1) {
    const line = await openLine(service.url)
    line.send(head('POST /jobs', { 'content-type': formType, 'content-length': form.length, authorization: ann }))
    line.send(form)
    const answer = await line.answer()
    expect(answer.status).toBe(400)
    // As a proxy does: what says keep-alive is used again, what says close is not.
    const next = answer.headers['connection'] === 'close' ? await openLine(service.url) : line
    next.send(await goodOrder())
    expect((await next.answer()).status).toBe(202)
  }
})
