import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, type Connection, openConnection } from './connection.ts'
import { beginLength, type Load, type Measured, type Request } from './protocol.ts'

/** What is wrong with an answer; null where it is right. Signed links change at midnight: the beginning tells one from another. */
export function problemOf({ status, body }: Answer, { head, answer }: Request): string | null {
  const right =
    status === answer.status &&
    body.slice(0, beginLength).startsWith(answer.begins.slice(0, beginLength)) &&
    (answer.bytes === undefined || body.length === answer.bytes)
  return right ? null : `${head.split('\r\n', 1)[0]} was answered with ${status}: ${body.slice(0, 300)}`
}

/** Sends requests over connections that are kept, one at a time on each, and notes how long each answer took. */
export async function runLoad(load: Load, bodies: ReadonlyMap<string, Uint8Array>, isStopped: () => boolean): Promise<Measured> {
  const total = load.untilStopped === true ? Number.POSITIVE_INFINITY : (load.count ?? load.requests.length)
  const latencies: number[] = []
  const answers: { text: string; latencyMs: number }[] = []
  const statuses: Record<string, number> = {}
  let wrong: string | null = null
  let next = 0
  let startedAt = 0

  /** When a request is due, once its connection is free; waits until then. Gives the time from which its latency counts. */
  async function due(index: number, everyMs: number): Promise<number> {
    const dueAt = startedAt + index * everyMs
    if (dueAt <= performance.now()) return dueAt
    await sleep(dueAt - performance.now())
    return performance.now()
  }
  async function drive(connection: Connection): Promise<void> {
    while (next < total && wrong === null && !isStopped()) {
      const index = next++
      const request = load.requests[index % load.requests.length]
      if (request === undefined) return
      const body = request.body === undefined ? undefined : bodies.get(request.body)
      const from = load.everyMs === undefined ? performance.now() : await due(index, load.everyMs)
      const answer = await connection.exchange(request.head, body)
      const latencyMs = performance.now() - from
      latencies.push(latencyMs)
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1
      wrong ??= problemOf(answer, request)
      if (load.keepAnswers === true) answers[index] = { text: answer.body, latencyMs }
    }
  }

  const connections = await Promise.all(Array.from({ length: load.connections }, () => openConnection(load.port)))
  startedAt = performance.now()
  try {
    await Promise.all(connections.map(drive))
  } finally {
    for (const connection of connections) connection.close()
  }
  const durationMs = performance.now() - startedAt
  return {
    requests: latencies.length,
    durationMs,
    latenciesMs: Float64Array.from(latencies).toSorted(),
    answers,
    statuses,
    wrong,
  }
}
