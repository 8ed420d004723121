import Fastify from 'fastify'
import { request } from 'undici'
import { expect, onTestFinished, test } from 'vitest'
import { bodyOf, passingBodyOf, takeAnyBody } from '../../src/http/bodies.ts'

type Reader = typeof bodyOf

/** The bytes that a reader saw, and what is left of each chunk at the end. */
async function readAll(read: Reader, body: Buffer): Promise<{ seen: Buffer; leftBytes: number[] }> {
  const seen: Buffer[] = []
  const chunks: Buffer[] = []
  const app = Fastify()
  onTestFinished(() => app.close())
  takeAnyBody(app)
  app.post('/', async incoming => {
    for await (const chunk of read(incoming)) {
      seen.push(Buffer.from(chunk))
      chunks.push(chunk)
    }
    return 'read'
  })
  const answer = await request(await app.listen(), { method: 'POST', body })
  expect(await answer.body.text()).toBe('read')
  return { seen: Buffer.concat(seen), leftBytes: chunks.map(chunk => chunk.length) }
}

const body = Buffer.alloc(500_000, 'Three ships. ')

test('a body that passes gives each chunk’s memory back when the next is asked for', async () => {
  const { seen, leftBytes } = await readAll(passingBodyOf, body)
  expect(seen.equals(body)).toBe(true)
  expect(leftBytes.length).toBeGreaterThan(1)
  expect(leftBytes.every(bytes => bytes === 0)).toBe(true)
})

test('a body that somebody may still be reading keeps its chunks', async () => {
  const { seen, leftBytes } = await readAll(bodyOf, body)
  expect(seen.equals(body)).toBe(true)
  expect(leftBytes.reduce((sum, bytes) => sum + bytes, 0)).toBe(body.length)
})
