import { expect, test } from 'vitest'
import { noticeBody } from '../../src/domain/notice.ts'
import type { ImageRecord, JobRecord } from '../../src/domain/records.ts'
import { type JobView, jobView } from '../../src/domain/view.ts'

const links = {
  job: (id: string) => `https://example.com/jobs/${id}`,
  image: (id: string, position: number) =>
    `https://example.com/jobs/${id}/images/${position}?exp=1770000000&sig=${'s'.repeat(43)}`,
  input: () => 'https://example.com/input',
}

function image(position: number, late: boolean): ImageRecord {
  return {
    position,
    late,
    taskId: 1,
    providerUrl: `https://example.com/${'p'.repeat(4_070)}`,
    copyAt: null,
    copyError: null,
    revisedPrompt: '字'.repeat(2_000),
    created: 1,
    arrivedAt: 1,
    file: 'out',
    contentType: 'image/png',
    sizeBytes: 1,
    sha256: 'a'.repeat(64),
    width: 1,
    height: 1,
  }
}

function job(pictures: number): JobRecord {
  return {
    id: 'job_1',
    owner: '',
    status: 'succeeded',
    model: 'm'.repeat(100),
    prompt: '\u0001'.repeat(32_000),
    params: { url: 'u'.repeat(30_000), user: 'x' },
    n: 10,
    metadata: Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`${index}`.padEnd(64, '鍵'), '値'.repeat(512)])),
    warnings: ['w'.repeat(500)],
    webhookUrl: null,
    webhookEvents: [],
    fingerprint: '',
    clientCallback: null,
    retryOf: null,
    queuePosition: null,
    createdAt: 1,
    submittedAt: 1,
    completedAt: 1,
    expiresAt: 1,
    tasks: [],
    images: Array.from({ length: pictures }, (_, index) => image(index, index >= pictures / 2)),
    inputs: [],
  }
}

test('a notice is under 20 kB whatever the job holds, and its pictures are in it', () => {
  for (const pictures of [0, 2, 20, 400]) {
    const body = noticeBody('job.succeeded', 0, jobView(job(pictures), links))
    expect([pictures, Buffer.byteLength(body) < 20_000]).toEqual([pictures, true])
    const { data } = JSON.parse(body) as { data: JobView }
    expect(data.result?.data.length ?? 0).toBe(Math.min(10, pictures / 2))
    expect(data.id).toBe('job_1')
  }
})

test('what the provider calls its pictures is left out only where there is no room for it', () => {
  const { data } = JSON.parse(noticeBody('job.succeeded', 0, jobView(job(2), links))) as { data: JobView }
  expect(data.result?.data[0]?.provider_url).toMatch(/^https:\/\/example\.com\/p/)
  const many = JSON.parse(noticeBody('job.succeeded', 0, jobView(job(20), links))) as { data: JobView }
  expect(many.data.result?.data[0]).toMatchObject({ provider_url: null, url: links.image('job_1', 0) })
})
