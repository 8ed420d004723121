import { expect, test } from 'vitest'
import type { JobView } from '../src/domain/view.ts'
import { until } from './http/refusals.ts'
import { edit, packages } from './support/ai-sdk.ts'
import { startProxy } from './support/proxy.ts'
import { type Running, startTestService } from './support/service.ts'

/* The Vercel AI SDK's own packages. What needs processes that die is in test/faults/retries.faults.ts. */

const key = { authorization: 'Bearer web-secret' }
const start = (settings: Record<string, string> = {}) => startTestService({ API_KEYS: 'web:web-secret', ...settings })

async function jobsOf(service: Running): Promise<JobView[]> {
  const listed = await (await service.call('/jobs', { headers: key })).json()
  // What the route answers.
  return (listed as { data: JobView[] }).data
}

/** One job, and one submit for it: nothing can have been charged twice. */
async function expectOne(service: Running): Promise<void> {
  expect(await jobsOf(service)).toHaveLength(1)
  expect(service.sandbox?.submits).toHaveLength(1)
}

const isPng = (bytes: Buffer | undefined): boolean => bytes?.subarray(1, 4).toString() === 'PNG'

test.for(packages)('%s gets its picture although we answered 504 at the limit', async name => {
  const service = await start({ ANSWER_WITHIN_S: '1', SANDBOX_DELAY_MS: '1800' })
  const images = await edit(name, service.url, 'dark')
  expect(images.map(isPng)).toEqual([true])
  await expectOne(service)
})

test.for(packages)('%s gets its picture although a proxy cut it off, twice', async name => {
  const service = await start({ SANDBOX_DELAY_MS: '1000' })
  const proxy = await startProxy(service.url)
  const edited = edit(name, proxy.url, 'dark')
  const claims = () => service.log.lines.filter(line => line.event === 'job.claimed_by_retry').length
  await until(() => service.sandbox?.submits.length === 1)
  proxy.cut()
  await until(() => claims() === 1)
  proxy.cut()
  expect((await edited).map(isPng)).toEqual([true])
  expect(proxy.count()).toBe(3)
  await expectOne(service)
})

test.for(packages)('%s is told of a cancel once, and does not submit it again', async name => {
  const service = await start()
  const edited = edit(name, service.url, 'fault:empty')
  const refused = expect(edited).rejects.toMatchObject({ statusCode: 400, message: 'the job was canceled' })
  await until(() => service.sandbox?.submits.length === 1)
  const [job] = await jobsOf(service)
  expect((await service.call(`/jobs/${job?.id}/cancel`, { method: 'POST', headers: key })).status).toBe(200)
  await refused
  await expectOne(service)
})

test.for(packages)('%s is told of the deadline once, and does not submit it again', async name => {
  const service = await start({ JOB_TIMEOUT_S: '1' })
  await expect(edit(name, service.url, 'fault:empty')).rejects.toMatchObject({ statusCode: 424 })
  await expectOne(service)
})

test('what the provider refused or failed at is not submitted again by itself, and is tried anew when it is asked for anew', async () => {
  const service = await start()
  for (const [prompt, statusCode] of [
    ['fault:moderation', 403],
    ['fault:failed', 424],
  ] as const) {
    for (const submits of [1, 2]) {
      await expect(edit('@ai-sdk/openai', service.url, prompt)).rejects.toMatchObject({ statusCode })
      expect(service.sandbox?.submits.filter(one => one.prompt === prompt)).toHaveLength(submits)
    }
  }
})

test('two callers who ask the same at once get a job each', async () => {
  const service = await start({ SANDBOX_DELAY_MS: '500' })
  const images = await Promise.all([1, 2].map(() => edit('@ai-sdk/openai', service.url, 'dark')))
  expect(images.flat().map(isPng)).toEqual([true, true])
  expect(await jobsOf(service)).toHaveLength(2)
})

test('for more than ten pictures a call is split in two, and under one Idempotency-Key one of them is refused', async () => {
  const service = await start()
  const headers = { 'Idempotency-Key': 'order-1' }
  await expect(edit('@ai-sdk/openai', service.url, 'dark', { n: 11, headers })).rejects.toMatchObject({ statusCode: 422 })
  expect(await jobsOf(service)).toHaveLength(1)
})
