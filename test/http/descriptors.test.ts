import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { settingsFor, startProvider } from '../faults/support.ts'
import { pictureOfSize } from '../support/pictures.ts'
import { startProcess } from '../support/process.ts'
import { head, openLine } from './wire.ts'

const hasPrlimit = spawnSync('prlimit', ['--version']).status === 0
if (!hasPrlimit) console.warn('there is no prlimit: the test without file descriptors is skipped')

test.skipIf(!hasPrlimit)(
  'without a file descriptor left, callbacks and orders are told to come again, and then taken',
  async () => {
    const provider = await startProvider()
    const service = await startProcess(await settingsFor(provider))
    const pid = String(service.child.pid)
    const order = JSON.stringify({ prompt: 'dark', image: 'https://example.com/a.png' })
    const asOrder = { 'content-type': 'application/json', 'content-length': order.length }
    const line = await openLine(service.url)
    line.send(`${head('POST /jobs', asOrder)}${order}`)
    expect((await line.answer()).status).toBe(202)
    const path = new URL(provider.submits[0]?.callbackUrl ?? '').pathname
    const base64 = (await pictureOfSize(100_000)).toString('base64')
    const callback = JSON.stringify({ success: true, data: [{ b64_json: base64 }] })
    const upload = JSON.stringify({ prompt: 'dark', image: `data:image/png;base64,${base64}` })
    const setLimit = (count: number): Buffer => execFileSync('prlimit', ['--pid', pid, `--nofile=${count}:4096`])

    // As many as are open now: the next one is refused.
    setLimit(Math.max(...readdirSync(`/proc/${pid}/fd`).map(Number)) + 1)
    const holes = (): number =>
      1 + Math.max(...readdirSync(`/proc/${pid}/fd`).map(Number)) - readdirSync(`/proc/${pid}/fd`).length
    // What is free between those that are open is taken up by connections.
    const idle = []
    while (holes() > 0) idle.push(await openLine(service.url))
    for (const [target, body] of [
      [path, callback],
      ['/jobs', upload],
    ] as const) {
      line.send(`${head(`POST ${target}`, { 'content-type': 'application/json', 'content-length': body.length })}${body}`)
      const answer = await line.answer()
      expect([target, answer.status, answer.headers['retry-after']]).toEqual([target, 503, expect.stringMatching(/^\d+$/)])
      expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'unavailable' } })
    }
    setLimit(1_024)
    line.send(`${head(`POST ${path}`, { 'content-length': callback.length })}${callback}`)
    const answer = await line.answer()
    expect([answer.status, JSON.parse(answer.body)]).toEqual([200, { received: true, outcome: 'applied' }])
    // New connections are taken again, too.
    expect((await fetch(`${service.url}/healthz`)).status).toBe(200)
  },
)
