import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { RequestListener, ServerResponse } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { createFetcher } from '../../src/net/fetch.ts'
import { openThrough } from '../../src/steps/pass-through.ts'
import { serve } from '../net/servers.ts'
import { picture } from '../support/pictures.ts'

async function open(listener: RequestListener, reader?: AbortSignal) {
  const { origin } = await serve(listener)
  const fetcher = createFetcher({ allowPrivate: true }, systemClock)
  onTestFinished(() => fetcher.close())
  return openThrough(fetcher, `${origin}/a.png`, 2 ** 30, reader)
}

/** Sends for ever, as fast as it is read. */
function endless(response: ServerResponse, first: Buffer): void {
  const more = (): void => {
    while (!response.destroyed && response.write(Buffer.alloc(65_536))) {}
  }
  response.write(first)
  response.on('drain', more)
  more()
}

test('an answer with nothing in it is an error, and not waited for', async () => {
  await expect(open((_request, response) => response.end())).rejects.toMatchObject({ reason: 'answered with nothing' })
})

test('a reader that goes away, be it in the middle or before the first byte, ends the download', async () => {
  const bytes = await picture()
  let sending: ServerResponse | null = null
  const { contentType, stream } = await open((_request, response) => {
    sending = response
    endless(response, bytes)
  })
  expect(contentType).toBe('image/png')
  const closed = once(sending as unknown as ServerResponse, 'close')
  stream.destroy()
  await closed

  const gone = new AbortController()
  const before = open((_request, response) => {
    response.once('close', () => gone.abort(new Error('closed')))
    leaving.abort()
  }, (() => leaving.signal)())
  await expect(before).rejects.toMatchObject({ reason: 'was interrupted' })
  await new Promise<void>(resolve => {
    if (gone.signal.aborted) resolve()
    else gone.signal.addEventListener('abort', () => resolve())
  })
})

const leaving = new AbortController()

test('a download that breaks off breaks off what is read', async () => {
  const bytes = await picture()
  const { stream } = await open((_request, response) => {
    response.writeHead(200, { 'content-length': '100000' })
    response.write(bytes, () => response.destroy())
  })
  stream.resume()
  await new Promise(resolve => stream.once('close', resolve))
  expect(stream.readableEnded).toBe(false)
})

test.each([
  ['a page', '<html>Just a moment…</html>'],
  ['an error', '{"error":"no such key"}'],
])('%s is never passed through as the picture, however it comes', async (_what, text) => {
  for (const pause of [false, true]) {
    const opened = open((_request, response) => {
      response.writeHead(200, { 'content-type': 'image/png' }).write(text.slice(0, 1))
      if (pause) setImmediate(() => response.end(text.slice(1)))
      else response.end(text.slice(1))
    })
    await expect(opened).rejects.toMatchObject({ reason: 'answered with a text in the place of a picture' })
  }
})

test('a large picture comes through as it is', async () => {
  const bytes = Buffer.concat([await picture(), randomBytes(3_000_000)])
  const { contentType, stream } = await open((_request, response) => void response.end(bytes))
  const chunks: Buffer[] = []
  for await (const chunk of stream) {
    chunks.push(chunk)
    // As slow as a reader is.
    await new Promise(resolve => setImmediate(resolve))
  }
  expect(contentType).toBe('image/png')
  expect(Buffer.concat(chunks).equals(bytes)).toBe(true)
})

test('bytes of a kind that is not known are passed through as just bytes', async () => {
  const bytes = randomBytes(100_000)
  const { contentType, stream } = await open((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end(bytes)
  })
  expect(contentType).toBe('application/octet-stream')
  expect(Buffer.concat(await stream.toArray()).equals(bytes)).toBe(true)
})
