import { expect, test } from 'vitest'
import { formType, imageOf, prompt, rawForm } from './http/forms.ts'
import { openJob, success } from './http/posted.ts'
import { until } from './http/refusals.ts'
import { dataUrl, picture, pictureOfSize } from './support/pictures.ts'
import { proxies, startProxy } from './support/proxies.ts'
import { startTestService } from './support/service.ts'

const mebibyte = 2 ** 20
const behind = { TRUST_PROXY: '127.0.0.1' }
const order = async (): Promise<RequestInit> => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ prompt: 'fault:empty', image: dataUrl(await picture()) }),
})
const form = (body: Buffer): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': formType },
  body: Uint8Array.from(body),
})

for (const { name, isInstalled } of proxies) {
  test.skipIf(!isInstalled)(`behind ${name} one caller's refusal costs the next caller nothing`, async () => {
    const service = await startTestService(behind)
    const url = await startProxy(name, service.url)
    const wrong = rawForm([{ name: 'wrong', filename: 'a.png', body: Buffer.alloc(3 * mebibyte, 1) }])
    const seen: number[] = []
    for (let round = 0; round < 10; round += 1) {
      seen.push((await fetch(`${url}/jobs`, form(wrong))).status)
      seen.push((await fetch(`${url}/jobs`, await order())).status)
    }
    expect(seen).toEqual(Array.from({ length: 10 }, () => [400, 202]).flat())
    expect(service.sandbox?.submits).toHaveLength(10)
  })

  test.skipIf(!isInstalled)(`behind ${name} a callback of 30 MB and an upload of 45 MB come through`, async () => {
    const service = await startTestService(behind)
    const url = await startProxy(name, service.url)
    const { job, path } = await openJob(service)
    const base64 = (await pictureOfSize(22 * mebibyte)).toString('base64')
    const body = JSON.stringify({ ...success, data: [{ b64_json: base64 }] })
    const callback = await fetch(`${url}${path}`, { method: 'POST', body })
    expect([callback.status, await callback.json()]).toEqual([200, { received: true, outcome: 'applied' }])
    expect((await service.ended(job.id)).status).toBe('succeeded')
    const upload = await fetch(`${url}/jobs`, form(rawForm([prompt, imageOf(await pictureOfSize(45 * mebibyte))])))
    expect(upload.status).toBe(202)
  })

  test.skipIf(!isInstalled)(`behind ${name} events arrive as they happen, and pictures as they are`, async () => {
    const service = await startTestService(behind)
    const url = await startProxy(name, service.url)
    const { job, path } = await openJob(service)
    const stream = await fetch(`${url}/jobs/${job.id}/events`, { headers: { 'accept-encoding': 'gzip' } })
    const reader = stream.body?.getReader()
    let text = ''
    const readUntil = async (wanted: string): Promise<void> => {
      while (!text.includes(wanted)) text += new TextDecoder().decode((await reader?.read())?.value)
    }
    // The job does not end before its first event has come.
    await readUntil('event: job.processing')
    await fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(success) })
    await readUntil('event: job.succeeded')
    const direct = await service.call(`/jobs/${job.id}/images/0`)
    const through = await fetch(`${url}/jobs/${job.id}/images/0`, { headers: { 'accept-encoding': 'gzip' } })
    expect(through.headers.get('etag')).toBe(direct.headers.get('etag'))
    expect(Buffer.from(await through.arrayBuffer()).equals(Buffer.from(await direct.arrayBuffer()))).toBe(true)
  })

  test.skipIf(!isInstalled)(`behind ${name} a caller who goes away while waiting is noticed`, async () => {
    const service = await startTestService({ ...behind, SANDBOX_FAULTS: 'lost' })
    const url = await startProxy(name, service.url)
    const leaving = new AbortController()
    const held = fetch(`${url}/v1/images/edits`, {
      ...form(rawForm([prompt, imageOf(await picture())])),
      signal: leaving.signal,
    }).catch(() => null)
    await until(() => (service.sandbox?.submits.length ?? 0) > 0)
    leaving.abort()
    await held
    await until(() => service.log.lines.some(({ event }) => event === 'client.gone'))
  })

  test.skipIf(!isInstalled)(
    `behind ${name} a caller who dies in the midst of a large answer gets the job again, uncharged`,
    async () => {
      const service = await startTestService(behind)
      const url = await startProxy(name, service.url)
      const ask = async (signal: AbortSignal | null = null): Promise<Response> =>
        fetch(`${url}/v1/images/edits`, {
          ...form(rawForm([{ name: 'prompt', body: 'fault:empty' }, imageOf(await picture())])),
          signal,
        })
      const leaving = new AbortController()
      const first = ask(leaving.signal)
      await until(() => (service.sandbox?.submits.length ?? 0) > 0)
      const { pathname } = new URL(service.sandbox?.submits[0]?.callbackUrl ?? '')
      const bytes = await pictureOfSize(16 * mebibyte)
      const body = JSON.stringify({ ...success, data: [{ b64_json: bytes.toString('base64') }] })
      expect((await fetch(`${url}${pathname}`, { method: 'POST', body })).status).toBe(200)
      // Its beginning is read, and no more.
      await (await first).body?.getReader().read()
      leaving.abort()
      await until(() => service.log.lines.some(({ event }) => event === 'client.gone' || event === 'answer.not_taken'))
      const again = await ask()
      const answer = (await again.json()) as { data: { b64_json: string }[] }
      expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([200, 'true'])
      expect(Buffer.from(answer.data[0]?.b64_json ?? '', 'base64').equals(bytes)).toBe(true)
      expect(service.sandbox?.submits).toHaveLength(1)
    },
  )
}
