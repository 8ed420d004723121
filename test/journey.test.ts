import { expect, test } from 'vitest'
import type { JobView } from '../src/domain/view.ts'
import { dataUrl, picture } from './support/pictures.ts'
import { startTestService } from './support/service.ts'

test('a picture goes in, is edited by the provider, comes back as a callback, and is there', async () => {
  const service = await startTestService()
  const response = await service.submit({ prompt: 'dark mode', image: dataUrl(await picture()), model: 'gpt-image-1' })
  expect(response.status).toBe(202)
  const accepted = (await response.json()) as JobView
  expect(accepted).toMatchObject({ status: 'processing', model: 'gpt-image-1' })
  expect(accepted.task_id).toMatch(/^[0-9a-f-]{36}$/)
  const job = await service.ended(accepted.id)
  expect(job).toMatchObject({ status: 'succeeded', error: null, cost: { billable: 'yes' } })
  const [image] = job.result?.data ?? []
  expect(image).toMatchObject({ content_type: 'image/png', width: 32, height: 24 })
  const bytes = await fetch(image?.url.replace(/^http:\/\/localhost/, 'http://127.0.0.1') ?? '')
  expect(bytes.headers.get('content-type')).toBe('image/png')
  expect((await bytes.arrayBuffer()).byteLength).toBe(image?.bytes)
})
