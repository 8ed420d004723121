import { expect, test } from 'vitest'
import type { JobView } from '../../src/domain/view.ts'
import { picture } from '../support/pictures.ts'
import { startTestService } from '../support/service.ts'

test('a request larger than the provider takes is told so before its submit, and what to do when it is refused', async () => {
  const service = await startTestService()
  // A picture's size is that of its file, whatever stands behind its last pixel.
  const image = new Blob([new Uint8Array(await picture()), new Uint8Array(29 * 2 ** 20)], { type: 'image/png' })
  const submit = async (prompt: string) => {
    const form = new FormData()
    form.append('prompt', prompt)
    form.append('image', image, 'a.png')
    return service.call('/jobs', { method: 'POST', body: form })
  }
  const taken = await submit('dark mode')
  expect(taken.status).toBe(202)
  const warning = /^the pictures make 29\.0 MB, and the provider takes 28 to 30 MB/
  expect(((await taken.json()) as JobView).warnings).toEqual([expect.stringMatching(warning)])
  const refused = await submit('dark mode fault:413')
  expect(refused.status).toBe(413)
  const { error, job_id: jobId } = (await refused.json()) as { error: { message: string }; job_id: string }
  expect(error.message).toMatch(/^the request had 29\.0 MB, and the provider takes 28 to 30 MB: send fewer or smaller pictures/)
  const job = await service.ended(jobId)
  expect(job).toMatchObject({ status: 'failed', tasks: [{ attempts: 1 }], warnings: [expect.stringMatching(warning)] })
})
