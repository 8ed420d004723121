import { createHash, randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { makeSigner } from '../src/domain/signer.ts'
import type { JobView } from '../src/domain/view.ts'
import { testFolder } from './support/folder.ts'
import { dataUrl, picture } from './support/pictures.ts'
import { freePort, type ServiceProcess, startProcess } from './support/process.ts'

const mebibyte = 2 ** 20

async function submit(service: ServiceProcess, body: object): Promise<JobView> {
  const response = await fetch(`${service.url}/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  expect(response.status).toBe(202)
  return (await response.json()) as JobView
}

async function read(service: ServiceProcess, jobId: string, query = ''): Promise<JobView> {
  const response = await fetch(`${service.url}/jobs/${jobId}${query}`)
  expect(response.status).toBe(200)
  return (await response.json()) as JobView
}

test('after SIGKILL and a restart every job and every picture is there', async () => {
  const settings = { PORT: String(await freePort()), DATA_DIR: await testFolder() }
  const image = dataUrl(await picture())
  const first = await startProcess(settings)
  const jobs = await Promise.all(
    ['gpt-image-1', 'gpt-image-2', 'nano-banana'].map(model => submit(first, { prompt: 'dark', image, model })),
  )
  const before = await Promise.all(jobs.map(job => read(first, job.id, '?wait=90')))
  expect(before.map(job => job.status)).toEqual(['succeeded', 'succeeded', 'succeeded'])
  // Shown once, a picture that came as a URL is here: the provider of this test dies with the service.
  for (const job of before) {
    const shown = await fetch(`${first.url}/jobs/${job.id}/images/0`)
    expect(shown.headers.get('cache-control')).toContain('immutable')
    await shown.arrayBuffer()
  }
  expect(await first.end('SIGKILL')).toBe('SIGKILL')

  const second = await startProcess(settings)
  for (const job of before) {
    const after = await read(second, job.id)
    expect(after).toMatchObject({
      status: 'succeeded',
      tasks: job.tasks,
      created_at: job.created_at,
      completed_at: job.completed_at,
    })
    const bytes = Buffer.from(await (await fetch(`${second.url}/jobs/${job.id}/images/0`)).arrayBuffer())
    const shown = (await read(second, job.id)).result?.data[0]
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(shown?.sha256)
  }
})

test('an idle service ends in order on SIGTERM, with 0', async () => {
  const service = await startProcess({ PORT: String(await freePort()), DATA_DIR: await testFolder() })
  expect(await service.end('SIGTERM')).toBe(0)
  expect(service.lines().at(-1)).toMatchObject({ msg: 'service.stopped' })
})

test('sockets that are idle, half-sent or waiting do not hold up the end', async () => {
  const service = await startProcess({ PORT: String(await freePort()), DATA_DIR: await testFolder(), SANDBOX_DELAY_MS: '600000' })
  const job = await submit(service, { prompt: 'dark', image: dataUrl(await picture()) })
  const port = Number(new URL(service.url).port)
  const raw = (text: string) =>
    connect(port, '127.0.0.1')
      .on('error', () => {})
      .write(text)
  raw('')
  raw('GET /jobs HTTP/1.1\r\nhost: x\r\n')
  raw('POST /jobs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"prompt"')
  const waiting = read(service, job.id, '?wait=60')
  // The waiting request is under way once a second one on the same service has been answered.
  await read(service, job.id)
  // None of them would ever end by itself.
  expect(await service.end('SIGTERM')).toBe(0)
  expect(service.lines().at(-1)).toMatchObject({ msg: 'service.stopped' })
  expect((await waiting).status).toBe('processing')
})

test('no log line holds a token, a key, a prompt or a picture', async () => {
  const service = await startProcess({
    PORT: String(await freePort()),
    DATA_DIR: await testFolder(),
    LOG_LEVEL: 'debug',
    API_KEYS: 'web:a-secret-of-a-client',
    SANDBOX_FAULTS: 'doubled',
  })
  const image = dataUrl(await picture())
  const headers = { 'content-type': 'application/json', authorization: 'Bearer a-secret-of-a-client' }
  const body = JSON.stringify({ prompt: 'a prompt that is nobody else’s business', image, model: 'gpt-image-1' })
  const { id } = (await (await fetch(`${service.url}/jobs`, { method: 'POST', headers, body })).json()) as JobView
  await fetch(`${service.url}/jobs/${id}?wait=90`, { headers })
  await fetch(`${service.url}/jobs`, { headers: { authorization: 'Bearer a-wrong-key-of-a-client' } })
  await fetch(`${service.url}/callbacks/1.${'x'.repeat(43)}`, { method: 'POST', body: 'x' })
  await service.end('SIGTERM')
  const log = JSON.stringify(service.lines())
  expect(log).toContain('callback.applied')
  for (const secret of ['a-secret-of', 'a-wrong-key', 'nobody else', image.slice(30, 60), 'iVBORw0', '/callbacks/1.', 'xxxxxx'])
    expect(log).not.toContain(secret)
})

test('eight results of 30 MB at once arrive whole, and take less than 100 MB of memory', async () => {
  const secret = 'a-secret-for-this-test-only'
  const service = await startProcess({
    PORT: String(await freePort()),
    DATA_DIR: await testFolder(),
    SANDBOX_FAULTS: 'lost',
    SECRET: secret,
  })
  const image = dataUrl(await picture())
  const jobs: JobView[] = []
  for (let count = 0; count < 8; count += 1) jobs.push(await submit(service, { prompt: 'dark', image, model: 'gpt-image-1' }))
  const pictures = jobs.map(() => randomBytes(22.5 * mebibyte))
  const signer = makeSigner([secret])
  let peak = 0
  const idle = service.residentBytes()
  const watching = setInterval(() => {
    peak = Math.max(peak, service.residentBytes())
  }, 5)
  const answers = await Promise.all(
    pictures.map((bytes, index) => {
      const body = `{"success":true,"data":{"created":1,"data":[{"b64_json":"${bytes.toString('base64').replaceAll('/', '\\/')}"}]}}`
      return fetch(`${service.url}/callbacks/${signer.callbackToken(index + 1)}`, { method: 'POST', body })
    }),
  )
  clearInterval(watching)
  expect(answers.map(answer => answer.status)).toEqual(jobs.map(() => 200))
  for (const [index, job] of jobs.entries()) {
    const shown = (await read(service, job.id)).result?.data[0]
    expect(shown).toMatchObject({
      sha256: createHash('sha256')
        .update(pictures[index] ?? '')
        .digest('hex'),
      bytes: 22.5 * mebibyte,
    })
  }
  expect(peak - idle).toBeLessThan(100 * mebibyte)
})

test.each([
  ['alone', {}, 1],
  ['beside API_KEYS', { API_KEYS: 'ann:key-of-ann' }, 0],
])('an ADMIN_KEY %s: that all but the figures is open is told at start, where it is so', async (_how, keys, warnings) => {
  const settings = { PORT: String(await freePort()), DATA_DIR: await testFolder(), ADMIN_KEY: 'key-of-admin', ...keys }
  const service = await startProcess(settings)
  expect(await service.end('SIGTERM')).toBe(0)
  const told = service.lines().filter(line => line['setting'] === 'ADMIN_KEY')
  expect(told).toHaveLength(warnings)
  for (const line of told)
    expect(line).toMatchObject({ level: 40, msg: expect.stringContaining('everything but /metrics is open') })
  expect(JSON.stringify(service.lines())).not.toContain('key-of-admin')
})
