import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { serve } from '../net/servers.ts'
import { testClock } from '../support/clock.ts'
import { dataUrl, picture, pictureOfSize } from '../support/pictures.ts'
import { type Running, startTestService } from '../support/service.ts'
import { refusalOf, storedFiles, until } from './refusals.ts'

const png = await picture()

async function jobWith(service: Running, image: string): Promise<JobView> {
  // This model takes URLs, so that nothing is fetched before the job is taken.
  const response = await service.submit({ prompt: 'fault:lost', image, model: 'gpt-image-2' })
  expect(response.status).toBe(202)
  return (await response.json()) as JobView
}

test('a picture given by URL is fetched at its first use, once, and kept', async () => {
  let asked = 0
  const server = await serve((_request, response) => {
    asked += 1
    response.setHeader('content-type', 'text/html').end(png)
  })
  const service = await startTestService({ FETCH_ALLOW_PRIVATE: 'true' })
  const job = await jobWith(service, `${server.origin}/a.png`)
  const before = asked
  const path = `/jobs/${job.id}/inputs/0`
  const answers = await Promise.all(Array.from({ length: 10 }, () => service.call(path)))
  answers.push(await service.call(path))
  for (const response of answers) {
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'image/png'])
    expect(Buffer.from(await response.arrayBuffer()).equals(png)).toBe(true)
  }
  expect(asked - before).toBe(1)
  const after = (await (await service.call(`/jobs/${job.id}`)).json()) as JobView
  expect(after.inputs).toEqual([{ role: 'image', url: `${server.origin}/a.png`, content_type: 'image/png', bytes: png.length }])
  expect(await storedFiles(service)).toHaveLength(2)
})

test.each(['gpt-image-1', 'gpt-image-2'])(
  'a result can be edited again by its URL, by %s too, and shows as an input',
  async model => {
    const service = await startTestService()
    const first = (await (await service.submit({ prompt: 'dark', image: dataUrl(png) })).json()) as JobView
    const url = (await service.ended(first.id)).result?.data[0]?.url ?? ''
    expect(new URL(url).hostname).toBe('localhost')
    const response = await service.submit({ prompt: 'blur', image: url, model })
    expect(response.status).toBe(202)
    const { id } = (await response.json()) as JobView
    expect(await service.ended(id)).toMatchObject({ status: 'succeeded' })
    expect((await service.call(`/jobs/${id}/inputs/0`)).status).toBe(200)
  },
)

test('a private address is not asked for a picture', async () => {
  const server = await serve((_request, response) => response.end(png))
  const service = await startTestService()
  const before = server.connections()
  const job = await jobWith(service, `${server.origin}/a.png`)
  const asked = server.connections()
  const refusal = await refusalOf(await service.call(`/jobs/${job.id}/inputs/0`))
  expect(refusal).toMatchObject({ status: 502, code: 'bad_gateway' })
  expect(server.connections()).toBe(asked)
  expect(before).toBe(0)
  expect(await storedFiles(service)).toEqual([])
})

test('the sandbox asks no private address for a picture either, unless they are allowed', async () => {
  const server = await serve((_request, response) => response.end(png))
  const image = `${server.origin}/a.png`
  const guarded = await startTestService()
  const { id } = (await (await guarded.submit({ prompt: 'dark', image })).json()) as JobView
  const job = await guarded.ended(id)
  expect(job).toMatchObject({ status: 'failed', error: { message: expect.stringContaining('is at a private address') } })
  expect(server.connections()).toBe(0)
  const allowed = await startTestService({ FETCH_ALLOW_PRIVATE: 'true' })
  const other = (await (await allowed.submit({ prompt: 'dark', image })).json()) as JobView
  expect((await allowed.ended(other.id)).status).toBe('succeeded')
})

test('a result is edited again by its URL, ours and the sandbox’s, though both are private addresses', async () => {
  const service = await startTestService()
  const edit = async (image: string): Promise<JobView> => {
    const { id } = (await (await service.submit({ prompt: 'dark', image, model: 'gpt-image-2' })).json()) as JobView
    return service.ended(id)
  }
  const [first] = (await edit(dataUrl(png))).result?.data ?? []
  expect(first?.url).toMatch(/^http:\/\/localhost:\d+\/jobs\//)
  for (const url of [first?.url, first?.provider_url]) expect([url, (await edit(url ?? '')).status]).toEqual([url, 'succeeded'])
})

test('what is not there, too large or no picture is told as such, kept nowhere, and asked for again the next time', async () => {
  let answer: { status: number; body: Buffer } = { status: 404, body: Buffer.from('gone') }
  const server = await serve((_request, response) => response.writeHead(answer.status).end(answer.body))
  const service = await startTestService({ FETCH_ALLOW_PRIVATE: 'true', MAX_IMAGE_BYTES: '5000' })
  const job = await jobWith(service, `${server.origin}/a.png`)
  const bad = [
    { status: 404, body: Buffer.from('gone') },
    { status: 500, body: Buffer.alloc(0) },
    { status: 200, body: Buffer.alloc(0) },
    { status: 200, body: Buffer.from('<script>alert(1)</script>') },
    { status: 200, body: await pictureOfSize(5_001) },
    { status: 302, body: Buffer.alloc(0) },
  ]
  for (answer of bad) {
    const refusal = await refusalOf(await service.call(`/jobs/${job.id}/inputs/0`))
    expect([answer.status, answer.body.length, refusal]).toMatchObject([answer.status, answer.body.length, { status: 502 }])
    expect(await storedFiles(service)).toEqual([])
  }
  answer = { status: 200, body: png }
  expect((await service.call(`/jobs/${job.id}/inputs/0`)).status).toBe(200)
})

test('a picture that a model takes only as a file is fetched before the answer, or refused by its URL', async () => {
  const server = await serve((request, response) => response.end(request.url === '/good.png' ? png : 'no picture'))
  const service = await startTestService({ FETCH_ALLOW_PRIVATE: 'true' })
  const submit = (image: unknown): Promise<Response> => service.submit({ prompt: 'fault:lost', image, model: 'gpt-image-1' })
  for (const image of [
    `${server.origin}/bad.png`,
    [`${server.origin}/good.png`, `${server.origin}/bad.png`],
    'http://127.0.0.1:1/a.png',
  ]) {
    const refusal = await refusalOf(await submit(image))
    expect(refusal).toMatchObject({ status: 400, code: 'invalid_request', param: 'image' })
    expect(refusal.message).toContain([image].flat().at(-1))
    expect(await storedFiles(service)).toEqual([])
  }
  expect(service.sandbox?.charges).toBe(0)
  expect(await (await submit(`${server.origin}/good.png`)).json()).toMatchObject({ inputs: [{ content_type: 'image/png' }] })
})

test('an input that breaks off, or comes slower than 1 kB/s, is asked for once more before it is refused', async () => {
  const clock = testClock()
  const answers: ((response: ServerResponse) => void)[] = []
  const server = await serve((_request, response) => answers.shift()?.(response))
  const service = await startTestService({ FETCH_ALLOW_PRIVATE: 'true' }, { clock })
  const submit = (): Promise<Response> =>
    service.submit({ prompt: 'fault:lost', image: `${server.origin}/a.png`, model: 'gpt-image-1' })
  const good = (response: ServerResponse): void => void response.end(png)
  const broken = (response: ServerResponse): void => {
    response.writeHead(200, { 'content-length': png.length }).write(png.subarray(0, 9), () => response.destroy())
  }
  const begun = Promise.withResolvers<void>()
  const trickling = (response: ServerResponse): void => {
    response.writeHead(200).write(png.subarray(0, 9), () => begun.resolve())
  }
  answers.push(broken, good)
  expect((await submit()).status).toBe(202)
  answers.push(broken, broken)
  expect(await refusalOf(await submit())).toMatchObject({
    status: 400,
    param: 'image',
    message: expect.stringContaining('broke off'),
  })
  const before = clock.waiting()
  answers.push(trickling, good)
  const slow = submit()
  await begun.promise
  await until(() => clock.waiting() > before)
  await clock.advance(10_000)
  expect((await slow).status).toBe(202)
  expect(answers).toEqual([])
})
