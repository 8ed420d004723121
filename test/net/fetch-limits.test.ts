import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { testClock } from '../support/clock.ts'
import { picture as realPicture } from '../support/pictures.ts'
import { download, failed, fetcherFor, limits, picture } from './download.ts'
import { serve, serveRaw } from './servers.ts'
import { MemorySink } from './sink.ts'

/** Writes a byte now and again, until the test is over. */
function trickle(write: (text: string) => unknown): void {
  const timer = setInterval(() => write('x'), 5)
  onTestFinished(() => clearInterval(timer))
}

describe('the size limit', () => {
  it('lets a body through that has just that many bytes', async () => {
    const { origin } = await serve(picture)
    expect((await download(origin, { maxBytes: 9 })).file).toMatchObject({ sizeBytes: 9 })
  })

  it('refuses a body that says it is larger before it opens a file', async () => {
    const { origin } = await serve((_, response) => {
      response.writeHead(200, { 'content-length': 50 * 2 ** 20 + 1 }).write('a picture')
    })
    const { sink, error } = await download(origin, { maxBytes: 50 * 2 ** 20 })
    expect({ sink, error }).toEqual({ sink: null, error: failed('is larger than 50 MB', false, 200) })
  })

  it('stops a body without a length once it is larger, and hangs up', async () => {
    const gone = Promise.withResolvers<void>()
    const { origin } = await serve((_, response) => {
      const more = () => {
        while (response.write(Buffer.alloc(1000)));
      }
      response.on('drain', more).on('close', () => gone.resolve())
      more()
    })
    const { sink, error } = await download(origin, { maxBytes: 100_000 })
    expect(error).toEqual(failed('is larger than 100000 bytes', false, 200))
    expect(sink?.state).toBe('discarded')
    expect(Buffer.concat(sink?.chunks ?? []).length).toBeLessThanOrEqual(100_000)
    await gone.promise
  })

  it('holds for what a body is unpacked to, and for what it is packed in', async () => {
    const endless = Buffer.concat(Array.from({ length: 30_000 }, () => Buffer.from([0, 0, 0, 0xff, 0xff])))
    const { origin } = await serve((request, response) => {
      response.setHeader('content-encoding', 'gzip')
      if (request.url === '/bomb') return void response.end(gzipSync(Buffer.alloc(10 * 2 ** 20)))
      // Stored blocks of no bytes, none of them the last.
      response.write(Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]))
      return response.end(endless)
    })
    for (const path of ['/bomb', '/endless']) {
      const { sink, error } = await download(origin + path, { maxBytes: 100_000 })
      expect([path, error]).toEqual([path, failed('is larger than 100000 bytes', false, 200)])
      expect(sink?.state).toBe('discarded')
    }
  })
})

describe('a content-encoding', () => {
  const text = 'a picture, and a long one: '.repeat(100)
  const answering = async (encoding: string, body: Buffer) => {
    const { origin } = await serve((_, response) => void response.writeHead(200, { 'content-encoding': encoding }).end(body))
    return download(origin)
  }

  it.each([
    'identity',
    'Identity',
    'utf-8',
    'UTF8',
    'aws-chunked',
    'none',
    'binary',
    '8bit',
    'null',
    '',
    'identity, utf-8',
    'x-own',
  ])('of %j encodes nothing: the bytes are taken as they are', async encoding => {
    expect((await answering(encoding, Buffer.from(text))).sink).toMatchObject({ state: 'finished', text })
  })

  it.each<[string, Buffer]>([
    ['gzip', gzipSync(text)],
    ['X-GZIP', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['br', brotliCompressSync(text)],
    ['zstd', zstdCompressSync(text)],
    ['aws-chunked, gzip', gzipSync(text)],
    ['gzip, br', brotliCompressSync(gzipSync(text))],
  ])('of %s is unpacked, although it was not asked for', async (encoding, body) => {
    expect((await answering(encoding, body)).sink).toMatchObject({ state: 'finished', text })
  })

  it.each(['gzip', 'br', 'deflate'])('of %s that is a lie is no reason to lose a picture', async encoding => {
    const bytes = await realPicture({ width: 200, height: 200 })
    const { sink } = await answering(encoding, bytes)
    expect(Buffer.concat(sink?.chunks ?? []).equals(bytes)).toBe(true)
  })

  it.each([
    ['that is a lie', Buffer.from(text)],
    ['that is cut short', gzipSync(text).subarray(0, 40)],
  ])('%s makes a failure for now', async (_what, body) => {
    const { sink, error } = await answering('gzip', body)
    expect(error).toEqual(failed('sent a body that is not packed as it says', true, 200))
    expect(sink?.state).toBe('discarded')
  })

  it('of more than three packings makes a failure', async () => {
    expect((await answering('gzip, gzip, gzip, gzip', gzipSync(text))).error).toEqual(
      failed('sent a body that is packed too often', false, 200),
    )
  })

  it('leaves the errors of the connection what they are', async () => {
    const { origin } = await serve((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': '1000' })
      response.write(gzipSync(text).subarray(0, 40), () => response.destroy())
    })
    expect((await download(origin)).error).toEqual(failed('broke off', true, 200))
  })
})

describe('the least rate', () => {
  const slow = failed('sent less than 1 kB/s for 10 s', true, 200)

  it('ends a body that trickles for ten seconds', async () => {
    const clock = testClock()
    const { origin } = await serve((_, response) => trickle(text => response.write(text)))
    const sink = new MemorySink()
    const pending = download(origin, { fetcher: fetcherFor(undefined, clock), sink })
    await vi.waitFor(() => expect(sink.chunks.length).toBeGreaterThan(0))
    await clock.advance(9_000)
    expect(sink.state).toBe('open')
    await clock.advance(1_000)
    expect((await pending).error).toEqual(slow)
    expect(clock.waiting()).toBe(0)
  })

  it('lets a body come that is slow, but not that slow', async () => {
    const clock = testClock()
    const waiting: (() => void)[] = []
    const { origin } = await serve((_, response) => {
      waiting.push(
        () => void response.write(Buffer.alloc(10_240)),
        () => void response.end(),
      )
      response.writeHead(200).flushHeaders()
    })
    const sink = new MemorySink()
    const pending = download(origin, { fetcher: fetcherFor(undefined, clock), sink })
    const send = await vi.waitFor(() => waiting[0] ?? Promise.reject(new Error('not asked yet')))
    await vi.waitFor(() => expect(clock.waiting()).toBe(1))
    for (let count = 1; count <= 5; count += 1) {
      send()
      await vi.waitFor(() => expect(Buffer.concat(sink.chunks).length).toBe(10_240 * count))
      await clock.advance(9_500)
    }
    waiting[1]?.()
    expect((await pending).file).toMatchObject({ sizeBytes: 51_200 })
    expect(clock.waiting()).toBe(0)
  })

  it('does not blame a server for a disk that is slow', async () => {
    const clock = testClock()
    const { origin } = await serve((_, response) => void response.end(Buffer.alloc(100_000)))
    const gate = Promise.withResolvers<void>()
    const sink = new MemorySink()
    const write = sink.write.bind(sink)
    vi.spyOn(sink, 'write').mockImplementation(chunk => {
      void write(chunk)
      return gate.promise
    })
    const pending = download(origin, { fetcher: fetcherFor(undefined, clock), sink })
    await vi.waitFor(() => expect(sink.chunks.length).toBe(1))
    await clock.advance(60_000)
    gate.resolve()
    expect((await pending).file).toMatchObject({ sizeBytes: 100_000 })
  })
})

describe('a wrong content-length', () => {
  it('that promises more than comes makes a failure, and no file', async () => {
    const { origin } = await serveRaw(socket => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf a picture'))
    const { error, sink } = await download(origin)
    expect(error).toEqual(failed('broke off', true, 200))
    expect(sink?.state).toBe('discarded')
  })

  it('that promises less than comes leaves the rest unread', async () => {
    const { origin } = await serveRaw(socket => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhalf a picture'))
    expect((await download(origin)).sink).toMatchObject({ state: 'finished', text: 'half' })
  })

  it('that is no number makes a failure', async () => {
    const { origin } = await serveRaw(socket => socket.end('HTTP/1.1 200 OK\r\ncontent-length: ten\r\n\r\nhalf a picture'))
    expect((await download(origin)).error).toEqual(failed('answered with no valid HTTP', true, null))
  })

  it('in chunks that end too early makes a failure', async () => {
    const { origin } = await serveRaw(socket => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n'))
    expect((await download(origin)).error).toEqual(failed('broke off', true, 200))
  })
})

describe('the time limit', () => {
  const timeoutMs = 150

  it('ends a body that trickles', async () => {
    const { origin } = await serve((_, response) => trickle(text => response.write(text)))
    const { error, sink } = await download(origin, { timeoutMs })
    expect(error).toEqual(failed('took longer than 0.15 s', true, null))
    expect(sink?.state).toBe('discarded')
  })

  it('ends headers that trickle', async () => {
    const { origin } = await serveRaw(socket => {
      socket.write('HTTP/1.1 200 OK\r\nx-slow: ')
      trickle(text => socket.write(text))
    })
    expect((await download(origin, { timeoutMs })).error).toEqual(
      failed(/^(took longer than|sent nothing for) 0.15 s$/, true, null),
    )
  })

  it('ends a server that says nothing', async () => {
    const { origin } = await serveRaw(() => {})
    expect((await download(origin, { timeoutMs })).error).toEqual(
      failed(/^(took longer than|sent nothing for) 0.15 s$/, true, null),
    )
  })

  it('ends a name that does not resolve, long before the connection gives up', async () => {
    const fetcher = fetcherFor({ lookup: () => new Promise(() => {}) })
    const { error } = await download('http://pictures.example', { fetcher, timeoutMs })
    expect(error).toEqual(failed('took longer than 0.15 s', true, null))
  })

  it('holds for all redirects together', async () => {
    const { origin } = await serve((request, response) => {
      const left = Number(request.url?.slice(1))
      if (left > 0) setTimeout(() => response.writeHead(302, { location: `/${left - 1}` }).end(), 100)
      else response.end('there')
    })
    expect((await download(`${origin}/3`, { timeoutMs: 250 })).error).toEqual(failed('took longer than 0.25 s', true, null))
  })
})

describe('a download that is called off', () => {
  it('fails at once where its signal is aborted already', async () => {
    const server = await serve(picture)
    const { error } = await download(server.origin, { signal: AbortSignal.abort(new Error('shutting down')) })
    expect(error).toEqual(failed('was interrupted', true, null))
    expect(error).toHaveProperty('cause.message', 'shutting down')
    expect(server.connections()).toBe(0)
  })

  it('leaves no file where its signal is aborted in the midst of the body', async () => {
    const caller = new AbortController()
    const sink = new MemorySink()
    const write = vi.spyOn(sink, 'write').mockImplementation(() => {
      caller.abort()
      return undefined
    })
    const { origin } = await serve((_, response) => void response.write('half'))
    expect((await download(origin, { signal: caller.signal, sink })).error).toEqual(failed('was interrupted', true, null))
    expect(write).toHaveBeenCalledTimes(1)
  })

  it('leaves no file where the fetcher is closed, which takes no more of them', async () => {
    const fetcher = fetcherFor()
    const { origin } = await serve((_, response) => {
      response.write('half')
      void fetcher.close()
    })
    expect((await download(origin, { fetcher })).error).toEqual(failed('was interrupted', true, null))
    expect((await download(origin, { fetcher })).error).toEqual(failed('was interrupted', true, null))
  })

  it('leaves no listener on the signal of its caller', async () => {
    const { origin } = await serve(picture)
    const { signal } = new AbortController()
    const [added, removed] = [vi.spyOn(signal, 'addEventListener'), vi.spyOn(signal, 'removeEventListener')]
    await download(origin, { signal })
    expect(added).toHaveBeenCalledTimes(1)
    expect(removed).toHaveBeenCalledTimes(1)
  })
})

describe('the sink', () => {
  const diskFull = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })

  it('has its errors come through as they are, and is discarded', async () => {
    const { origin } = await serve((_, response) => void response.write('half'))
    const throwing = new MemorySink()
    vi.spyOn(throwing, 'write').mockImplementation(() => {
      throw diskFull
    })
    const rejecting = new MemorySink()
    vi.spyOn(rejecting, 'write').mockRejectedValue(diskFull)
    for (const sink of [throwing, rejecting]) {
      expect((await download(origin, { sink })).error).toBe(diskFull)
      expect(sink.state).toBe('discarded')
    }
  })

  it('is not discarded after a failed finish', async () => {
    const { origin } = await serve(picture)
    const sink = new MemorySink()
    vi.spyOn(sink, 'finish').mockRejectedValue(diskFull)
    expect((await download(origin, { sink })).error).toBe(diskFull)
    expect(sink.state).toBe('open')
  })

  it('that cannot be opened ends the download and its connection', async () => {
    const gone = Promise.withResolvers<void>()
    const { origin } = await serve((_, response) => void response.on('close', () => gone.resolve()).write('half'))
    const openSink = () => {
      throw diskFull
    }
    await expect(fetcherFor().fetchToFile(origin, openSink, limits)).rejects.toBe(diskFull)
    await gone.promise
  })

  it('gets its next chunk only once it has taken the last', async () => {
    const { origin } = await serve((_, response) => void response.end(Buffer.alloc(2 ** 20, 'x')))
    const sink = new MemorySink()
    let writing = 0
    let most = 0
    const take = sink.write.bind(sink)
    vi.spyOn(sink, 'write').mockImplementation(async chunk => {
      most = Math.max(most, ++writing)
      await take(chunk)
      await new Promise(resolve => setImmediate(resolve))
      writing--
    })
    expect((await download(origin, { sink })).file).toMatchObject({ sizeBytes: 2 ** 20 })
    expect(most).toBe(1)
    expect(sink.chunks.length).toBeGreaterThan(1)
  })
})
