import { expect, test } from 'vitest'
import { pictureOfSize } from '../support/pictures.ts'
import { startTestService } from '../support/service.ts'
import { formType, rawForm } from './forms.ts'
import { jobNow, noted, openJob, send, success } from './posted.ts'
import { refusalOf, storedFiles, until } from './refusals.ts'
import { head, openLine, sendRaw } from './wire.ts'

test('a callback is taken with any content type, and with none', async () => {
  const service = await startTestService()
  const text = JSON.stringify(success)
  const types = [
    'application/json',
    'garbage',
    'text/plain',
    '',
    ';;;',
    'application/x-www-form-urlencoded',
    formType,
    '*/*',
    'a/b; c',
  ]
  for (const type of [...types, null]) {
    const { job, path } = await openJob(service)
    const headers = { 'content-length': text.length, ...(type === null ? {} : { 'content-type': type }) }
    const answer = await sendRaw(service.url, `${head(`POST ${path}`, headers)}${text}`)
    expect([type, answer.status, JSON.parse(answer.body)]).toEqual([type, 200, { received: true, outcome: 'applied' }])
    expect((await jobNow(service, job)).status).toBe('succeeded')
  }
})

test('an unknown, forged or tampered token is a 404 before a byte of the body has come', async () => {
  const service = await startTestService()
  const { job, path } = await openJob(service)
  const token = path.slice('/callbacks/'.length)
  const [id, mac = ''] = token.split('.')
  const forged = [
    'x',
    `${id}`,
    `${id}.`,
    `${id}.${'A'.repeat(43)}`,
    `${Number(id) + 1}.${mac}`,
    `0${token}`,
    `-${token}`,
    `${token}=`,
    `${id}.${mac.slice(1)}`,
  ]
  for (const one of [
    ...forged,
    `${id}.${mac.toUpperCase()}`,
    `${token}%00`,
    `%20${token}`,
    `${id}%2e${mac.slice(0, -1)}`,
    '..',
    '9'.repeat(900),
  ]) {
    const line = await openLine(service.url)
    line.send(head(`POST /callbacks/${one}`, { 'content-length': 10_000_000_000 }))
    expect([one, (await line.answer()).status]).toEqual([one, 404])
    line.socket.destroy()
  }
  expect(await noted(service, job)).toEqual([])
  expect((await jobNow(service, job)).status).toBe('processing')
})

test('what comes with a wrong token is neither parsed nor stored', async () => {
  const service = await startTestService()
  const { job, path } = await openJob(service)
  const before = await storedFiles(service)
  const large = JSON.stringify({ ...success, data: [{ b64_json: (await pictureOfSize(300_000)).toString('base64') }] })
  for (const body of [JSON.stringify(success), large, '{ not json'])
    expect(await refusalOf(await send(service, `${path.slice(0, -2)}AA`, body))).toMatchObject({ status: 404, code: 'not_found' })
  expect([await storedFiles(service), await noted(service, job)]).toEqual([before, []])
})

test('a token of a job that was deleted is a 404, and of a large body not a byte is read', async () => {
  const service = await startTestService()
  const { job, path } = await openJob(service)
  await service.call(`/jobs/${job.id}/cancel`, { method: 'POST' })
  await service.call(`/jobs/${job.id}`, { method: 'DELETE' })
  expect(await refusalOf(await send(service, path, success))).toMatchObject({ status: 404 })
  expect(await refusalOf(await send(service, path, 'not json'))).toMatchObject({ status: 404 })
  const line = await openLine(service.url)
  line.send(head(`POST ${path}`, { 'content-length': 100_000_000 }))
  expect((await line.answer()).status).toBe(404)
  line.socket.destroy()
  expect(await storedFiles(service)).toEqual([])
})

test('only a POST is a callback', async () => {
  const service = await startTestService()
  const { path } = await openJob(service)
  for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'HEAD']) expect((await service.call(path, { method })).status).toBe(404)
})

test('a callback that is too large meets one fate, whether its length says so or its bytes do', async () => {
  const service = await startTestService({ MAX_CALLBACK_BYTES: '200000' })
  const text = JSON.stringify({ ...success, data: [{ b64_json: (await pictureOfSize(200_000)).toString('base64') }] })
  const framings = [
    head('POST PATH', { 'content-length': text.length }),
    `${head('POST PATH', { 'transfer-encoding': 'chunked' })}${text.length.toString(16)}\r\n`,
  ]
  let asked = 0
  for (const framing of framings) {
    const { job, path } = await openJob(service)
    const answer = await sendRaw(service.url, `${framing.replace('PATH', path)}${text}\r\n0\r\n\r\n`)
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([413, { error: { code: 'payload_too_large' } }])
    expect(await noted(service, job)).toMatchObject([{ outcome: 'malformed' }])
    expect(
      service.log.lines.filter(({ event, fields }) => event === 'callback.malformed' && fields['job'] === job.id),
    ).toHaveLength(1)
    // Its task is asked for at once, long before POLL_AFTER_S.
    const before = asked
    await until(() => service.log.lines.filter(({ event }) => event === 'poll.done').length > before)
    asked = service.log.lines.filter(({ event }) => event === 'poll.done').length
    expect((await jobNow(service, job)).status).toBe('processing')
    expect((await send(service, path, success)).status).toBe(200)
  }
})

test('a callback that is longer than a result may be, and is not JSON, is a 400 and not too large', async () => {
  const service = await startTestService()
  for (const body of ['x'.repeat(5_000_000), `{"a": "${'x'.repeat(5_000_000)}"}`]) {
    const { job, path } = await openJob(service)
    expect(await refusalOf(await send(service, path, body))).toMatchObject({ status: 400, code: 'invalid_request' })
    expect(await noted(service, job)).toMatchObject([{ outcome: 'malformed', bytes: expect.any(Number) }])
  }
})

test('what cannot be read is a 400, is noted, and loses nothing that comes after it', async () => {
  const service = await startTestService()
  const { job, path } = await openJob(service)
  const bodies = [
    '',
    ' ',
    'null',
    '5',
    '[]',
    '{}',
    '{',
    'not json',
    '\u0000',
    '{"success":true}',
    '{"data":[]}',
    '{"data":[{}]}',
    '{"data":[{"url":"not a url"}]}',
    '{"data":[{"b64_json":"!!"}]}',
    '{"data":[{"b64_json":""}]}',
    '[{"b64_json":"AAAA"}]',
    JSON.stringify(success).slice(0, -9),
    '['.repeat(20_000),
    JSON.stringify({ task_id: 'theirs', message: 'queued' }),
    String(rawForm([{ name: 'a', body: 'b' }])),
  ]
  for (const body of bodies)
    expect([body.slice(0, 40), await refusalOf(await send(service, path, body))]).toMatchObject([
      body.slice(0, 40),
      { status: 400 },
    ])
  const rows = await noted(service, job)
  expect(rows.map(row => [row.outcome, row.bytes])).toEqual(bodies.map(body => ['malformed', Buffer.byteLength(body)]))
  expect((await send(service, path, success)).status).toBe(200)
  expect((await noted(service, job)).at(-1)).toMatchObject({ outcome: 'applied' })
  expect((await jobNow(service, job)).status).toBe('succeeded')
})

test('more than 256 pictures are no result, nor are more than 256 files: a 400, noted, and nothing of them is kept', async () => {
  const service = await startTestService()
  const { job, path } = await openJob(service)
  const before = await storedFiles(service)
  const many = (item: object) => Array.from({ length: 257 }, () => item)
  const bodies: readonly (readonly [string, object])[] = [
    ['URLs, small', { data: many({ url: 'https://a/b' }) }],
    ['URLs, not small', { data: many({ url: `https://example.com/${'a'.repeat(400)}` }) }],
    ['base64', { data: [{ url: 'https://a/b' }], previews: many({ b64_json: 'AAAA' }) }],
  ]
  for (const [what, body] of bodies)
    expect([what, await refusalOf(await send(service, path, body))]).toMatchObject([
      what,
      { status: 400, code: 'invalid_request', message: expect.stringContaining('256') },
    ])
  expect((await noted(service, job)).map(row => row.outcome)).toEqual(['malformed', 'malformed', 'malformed'])
  const kept = (await storedFiles(service)).filter(name => !before.includes(name))
  expect(kept).toEqual(bodies.map(() => expect.stringMatching(/\/bad-[^/]+$/)))
  expect((await jobNow(service, job)).status).toBe('processing')
  const most = { data: Array.from({ length: 256 }, () => ({ url: 'http://127.0.0.1:1/a.png' })) }
  expect((await send(service, path, most)).status).toBe(200)
  expect((await jobNow(service, job)).result?.data).toHaveLength(256)
})

test('a callback that breaks off is no error of ours, is noted, leaves no file, and may come again', async () => {
  const service = await startTestService()
  const { job, path } = await openJob(service)
  const body = JSON.stringify({ data: [{ b64_json: (await pictureOfSize(900_000)).toString('base64') }] })
  const line = await openLine(service.url)
  line.send(`${head(`POST ${path}`, { 'content-length': body.length })}${body.slice(0, 800_000)}`)
  await until(async () => (await storedFiles(service)).length === 3)
  line.socket.destroy()
  await until(async () => (await storedFiles(service)).length === 2)
  expect(await (await send(service, path, body)).json()).toEqual({ received: true, outcome: 'applied' })
  expect((await jobNow(service, job)).result?.data).toMatchObject([{ bytes: 900_000 }])
  expect((await noted(service, job)).map(row => row.outcome)).toEqual(['malformed', 'applied'])
  expect(service.log.lines.filter(one => one.event === 'request.failed')).toEqual([])
})

test('no token stands in the log', async () => {
  const service = await startTestService()
  const { path } = await openJob(service)
  await send(service, path, success)
  await send(service, path, 'garbage')
  await send(service, `${path}x`, 'garbage')
  expect(JSON.stringify(service.log.lines)).not.toContain(path.slice('/callbacks/'.length))
})
