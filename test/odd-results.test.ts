import { expect, test } from 'vitest'
import type { JobView } from '../src/domain/view.ts'
import { passUntil } from './steps/setting.ts'
import { type TestClock, testClock } from './support/clock.ts'
import { dataUrl, picture } from './support/pictures.ts'
import { type Running, startTestService } from './support/service.ts'

/** Lets time pass until something that waits for it has come. */
async function passing<T>(clock: TestClock, work: Promise<T>): Promise<T> {
  let isOver = false
  const over = work.finally(() => {
    isOver = true
  })
  while (!isOver) {
    await clock.advance(1_000)
    await new Promise(resolve => setImmediate(resolve))
  }
  return over
}

/** An edit under a fault of the sandbox, once it has ended. */
async function edit(service: Running, fault: string, model = 'gpt-image-2'): Promise<JobView> {
  const body = { prompt: `dark fault:${fault}`, model, size: '1024x1024', image: dataUrl(await picture()) }
  return service.ended(((await (await service.submit(body)).json()) as JobView).id)
}

const read = async (service: Running, id: string): Promise<JobView> =>
  (await service.call(`/jobs/${id}`)).json() as Promise<JobView>
const seen = ({ status, headers }: Response): string => `${status} ${headers.get('content-type')}`
const copied = { stored: true, content_type: 'image/png', width: 1024, height: 1024 }

test.each(['404-first', '403-first', '202-first', 'gzip-picture', 'odd-encoding'])(
  'under the fault %s the picture is there in the end, and a GET of it never gives anything else',
  async fault => {
    const clock = testClock()
    const service = await startTestService({}, { clock })
    const job = await edit(service, fault)
    expect(job.status).toBe('succeeded')
    const path = `/jobs/${job.id}/images/0`
    const early = await passing(clock, service.call(path))
    expect(['200 image/png', '503 application/json; charset=utf-8']).toContain(seen(early))
    const after = await passUntil(clock, async () => {
      const now = await read(service, job.id)
      return now.result?.data[0]?.stored === true && now
    })
    expect(after).toMatchObject({ warnings: [], result: { data: [copied] } })
    expect(seen(await service.call(path))).toBe('200 image/png')
  },
)

test.each(['404-picture', 'html-picture', 'json-picture', 'empty-picture', 'trickle-picture'])(
  'under the fault %s nothing is kept, and nothing is shown, in the place of the picture',
  async fault => {
    const clock = testClock()
    const service = await startTestService({}, { clock })
    const job = await edit(service, fault)
    expect(job).toMatchObject({ status: 'succeeded', result: { data: [{ stored: false, sha256: null }] } })
    expect(job.result?.data[0]?.provider_url).toMatch(/^http:/)
    // The bytes that trickle are those of a picture.
    if (fault === 'trickle-picture') return
    const answer = await passing(clock, service.call(`/jobs/${job.id}/images/0`))
    expect(seen(answer)).toBe('503 application/json; charset=utf-8')
    expect(await read(service, job.id)).toMatchObject({ result: { data: [{ stored: false }] } })
  },
)

test('a picture of a kind that is not known is kept, by URL and as base64', async () => {
  const service = await startTestService()
  for (const model of ['gpt-image-2', 'gpt-image-1']) {
    const job = await edit(service, 'odd-picture', model)
    const unknown = { stored: true, content_type: 'application/octet-stream', width: null }
    await expect.poll(async () => (await read(service, job.id)).result?.data).toMatchObject([unknown])
    expect((await read(service, job.id)).warnings).toEqual([expect.stringContaining('images/0')])
  }
})

test('an error as base64 is no picture: its task fails when the provider has nothing else, and beside a picture it is named', async () => {
  const service = await startTestService()
  expect(await edit(service, 'html-picture', 'gpt-image-1')).toMatchObject({ status: 'failed', error: { code: 'no_result' } })
  const job = await edit(service, 'bad-item', 'gpt-image-1')
  expect(job).toMatchObject({ status: 'succeeded', result: { data: [{ stored: true }] } })
  expect(job.warnings).toEqual(["item 2 of the result's 2 was left out: its base64 holds a text"])
})
