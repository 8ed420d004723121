import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { startProcess } from '../support/process.ts'
import { asJson, call, percentile, settingsFor, startProvider, tryCall } from './support.ts'

const connections = 500
/** 12 s, and what a machine adds that does much else besides. */
const closedWithinMs = 120_000

/** A connection that sends its beginning at once and then a byte a second, for as long as it is let. */
function trickle(port: number, beginning: string, begun: () => void): Promise<number> {
  const startedAt = performance.now()
  const socket: Socket = connect(port, '127.0.0.1').on('error', () => {})
  socket.write(beginning, begun)
  const dripping = setInterval(() => socket.write('x'), 1_000)
  onTestFinished(() => {
    clearInterval(dripping)
    socket.destroy()
  })
  // What it is answered is read, else its end would not be seen.
  socket.resume()
  return new Promise(resolve =>
    socket.once('close', () => {
      clearInterval(dripping)
      resolve(performance.now() - startedAt)
    }),
  )
}

test(`${connections} connections that trickle a byte a second are all closed in time, and others are answered meanwhile`, async () => {
  const provider = await startProvider()
  const service = await startProcess(await settingsFor(provider))
  const job = { prompt: 'dark', image: 'https://example.com/a.png' }
  expect((await call(`${service.url}/jobs`, asJson(job))).status).toBe(202)
  const callbackPath = new URL(provider.submits[0]?.callbackUrl ?? '').pathname

  const body = (path: string): string =>
    `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{"a":"`
  const kinds = [
    'GET /jobs HTTP/1.1\r\nhost: x\r\nx-slow: ',
    body('/jobs'),
    'POST /jobs HTTP/1.1\r\nhost: x\r\nx-slow: ',
    body(callbackPath),
  ]
  const port = Number(new URL(service.url).port)
  let over = false
  const begun: Promise<void>[] = []
  const closing = Array.from({ length: connections }, (_, index) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    begun.push(promise)
    return trickle(port, kinds[index % kinds.length] ?? '', resolve)
  })
  await Promise.all(begun)

  const durationsMs: number[] = []
  const failures: string[] = []
  const ask = async (path: string, options: Parameters<typeof call>[1], expected: number): Promise<void> => {
    const startedAt = performance.now()
    const answer = await tryCall(`${service.url}${path}`, options)
    durationsMs.push(performance.now() - startedAt)
    if (answer?.status !== expected) failures.push(`${path}: ${answer?.status}`)
  }
  const others = async (): Promise<void> => {
    while (!over) {
      await ask('/jobs?limit=5', {}, 200)
      await ask('/jobs', asJson(job), 202)
      await ask('/healthz', {}, 200)
    }
  }
  const asking = Promise.all([others(), others()])
  const closedMs = await Promise.all(closing)
  over = true
  await asking
  console.info(
    `${connections} closed after ${percentile(closedMs, 0)} to ${percentile(closedMs, 1)} ms; meanwhile ${durationsMs.length} answers, ` +
      `p50 ${percentile(durationsMs, 0.5)} ms, p99 ${percentile(durationsMs, 0.99)} ms, longest ${percentile(durationsMs, 1)} ms`,
  )
  expect(closedMs.filter(ms => ms >= closedWithinMs)).toEqual([])
  // None is closed at once either: the service let them begin.
  expect(Math.min(...closedMs)).toBeGreaterThan(5_000)
  expect(failures).toEqual([])
})
