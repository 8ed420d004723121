import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import { testCertificate } from './certificate.ts'
import { download, failed, fetcherFor, picture } from './download.ts'
import { serve, serveRaw, serveTls } from './servers.ts'

describe('a download', () => {
  it('stores the body of a 200', async () => {
    const { origin } = await serve(picture)
    const { file, sink } = await download(`${origin}/a.png?size=1`)
    expect(file).toMatchObject({ name: 'out-0', sizeBytes: 9 })
    expect(sink).toMatchObject({ state: 'finished', text: 'a picture' })
  })

  it('stores a body without a length, byte for byte', async () => {
    const { origin } = await serve((_, response) => {
      for (let i = 0; i < 100; i++) response.write(String(i).padEnd(1000, '.'))
      response.end()
    })
    const { sink } = await download(origin)
    expect(sink?.text).toBe(Array.from({ length: 100 }, (_, i) => String(i).padEnd(1000, '.')).join(''))
  })

  it('asks for pictures, uncompressed, and brings no cookies or keys, after a redirect neither', async () => {
    const seen: IncomingHttpHeaders[] = []
    const { origin } = await serve((request, response) => {
      seen.push(request.headers)
      if (request.url === '/a') response.writeHead(302, { location: '/b', 'set-cookie': 'id=1' }).end()
      else response.end('a picture')
    })
    await download(`${origin}/a`)
    expect(seen).toHaveLength(2)
    for (const headers of seen) {
      expect(headers).toMatchObject({ accept: expect.stringContaining('image/*'), 'accept-encoding': 'identity' })
      expect(Object.keys(headers).filter(name => /cookie|auth|referer|origin/.test(name))).toEqual([])
    }
  })

  it.each([201, 204, 206, 304, 400, 401, 403, 404, 410, 451])('fails for good on a %i', async status => {
    const { origin } = await serve((_, response) => void response.writeHead(status).end())
    expect(await download(origin)).toEqual({ sink: null, file: null, error: failed(`answered ${status}`, false, status) })
  })

  it.each([408, 425, 429, 500, 502, 503, 504])('fails for now on a %i', async status => {
    const { origin } = await serve((_, response) => void response.writeHead(status).end('sorry'))
    expect(await download(origin)).toEqual({ sink: null, file: null, error: failed(`answered ${status}`, true, status) })
  })

  it('refuses a URL that may not be dialled, without dialling it', async () => {
    const server = await serve(picture)
    const fetcher = fetcherFor({})
    const refused = [server.origin, `http://localhost:${server.port}`, `http://[::ffff:7f00:1]:${server.port}`]
    for (const url of refused) {
      expect(await download(url, { fetcher })).toEqual({
        sink: null,
        file: null,
        error: failed('is at a private address', false, null),
      })
    }
    expect((await download('ftp://example.com', { fetcher })).error).toEqual(failed('is neither http nor https', false, null))
    expect(server.connections()).toBe(0)
  })

  it('refuses a name that leads to a private address, and does not tell which', async () => {
    const server = await serve(picture)
    const fetcher = fetcherFor({ lookup: async () => [{ address: '127.0.0.1', family: 4 }] })
    const { error } = await download(`http://pictures.example:${server.port}`, { fetcher })
    expect(error).toEqual(failed('is at a private address', false, null))
    expect(String(error)).not.toContain('127')
    expect(server.connections()).toBe(0)
  })

  it('comes from an allowed origin, and from no other port of that host', async () => {
    const [sandbox, other] = [await serve(picture), await serve(picture)]
    const fetcher = fetcherFor({ allowedOrigins: [sandbox.origin] })
    expect((await download(`${sandbox.origin}/a.png`, { fetcher })).file).not.toBeNull()
    expect((await download(`${other.origin}/a.png`, { fetcher })).error).toEqual(failed('is at a private address', false, null))
    expect(other.connections()).toBe(0)
  })

  it('says that a host was not found, and that one could not be reached', async () => {
    const fetcher = fetcherFor({ lookup: () => Promise.reject(Object.assign(new Error(), { code: 'ENOTFOUND' })) })
    const { error } = await download('http://pictures.example', { fetcher })
    expect(error).toEqual(failed('has a host name that does not resolve', true, null))
    const reset = await serveRaw(socket => socket.resetAndDestroy())
    expect((await download(reset.origin)).error).toEqual(failed('could not be reached', true, null))
  })

  it('fails where the answer is not HTTP', async () => {
    const { origin } = await serveRaw(socket => socket.end('SSH-2.0-OpenSSH_9.9\r\n'))
    expect((await download(origin)).error).toEqual(failed('answered with no valid HTTP', true, null))
  })

  it('fails where the certificate is not trusted', async () => {
    const { origin } = await serveTls(picture)
    expect((await download(origin)).error).toEqual(failed('has no certificate that we trust', true, null))
  })

  it('keeps its connections for those that follow', async () => {
    const server = await serve(picture)
    const fetcher = fetcherFor()
    for (let i = 0; i < 5; i++) expect((await download(server.origin, { fetcher })).file).not.toBeNull()
    // undici gives a connection back a turn of the loop after its body has ended: the second download comes too early for it.
    expect(server.connections()).toBeLessThanOrEqual(2)
  })
})

describe('a redirect', () => {
  it.each([301, 302, 303, 307, 308])('is followed where it is a %i', async status => {
    const { origin } = await serve((request, response) => {
      if (request.url === '/a') response.writeHead(status, { location: 'b?x=1' }).end('moved')
      else response.end(request.url)
    })
    expect((await download(`${origin}/a`)).sink?.text).toBe('/b?x=1')
  })

  it('is followed three times and no more', async () => {
    const { origin } = await serve((request, response) => {
      const left = Number(request.url?.slice(1))
      if (left === 0) response.end('there')
      else response.writeHead(302, { location: `/${left - 1}` }).end()
    })
    expect((await download(`${origin}/3`)).sink?.text).toBe('there')
    expect(await download(`${origin}/4`)).toMatchObject({ sink: null, error: failed('redirects more than 3 times', false, 302) })
  })

  it('is not followed to a private address, in whatever spelling', async () => {
    const secret = await serve(picture)
    const targets = ['127.0.0.1', '127.1', '0x7f000001', '[::1]', '[::ffff:127.0.0.1]', '[64:ff9b::127.0.0.1]', 'localhost.']
    const { origin } = await serve((request, response) => {
      const target = targets[Number(request.url?.slice(1))]
      response.writeHead(302, { location: `//${target}:${secret.port}/` }).end()
    })
    const fetcher = fetcherFor({ allowedOrigins: [origin] })
    for (const i of targets.keys()) {
      const { error } = await download(`${origin}/${i}`, { fetcher })
      expect(error).toEqual(failed('redirects to a URL that is at a private address', false, 302))
    }
    expect(secret.connections()).toBe(0)
  })

  it('is not followed to a name that leads to a private address', async () => {
    const secret = await serve(picture)
    const { origin } = await serve((_, response) => {
      response.writeHead(302, { location: `http://pictures.example:${secret.port}/` }).end()
    })
    const fetcher = fetcherFor({ allowedOrigins: [origin], lookup: async () => [{ address: '127.0.0.1', family: 4 }] })
    expect((await download(origin, { fetcher })).error).toEqual(failed('is at a private address', false, null))
    expect(secret.connections()).toBe(0)
  })

  it.each(['file:///etc/passwd', 'data:image/png;base64,AAAA', 'ftp://example.com/', 'http://user@example.com/'])(
    'is not followed to %s',
    async location => {
      const { origin } = await serve((_, response) => void response.writeHead(302, { location }).end())
      expect((await download(origin)).error).toEqual(failed(/^redirects to a URL that (is neither|holds a user)/, false, 302))
    },
  )

  it('that does not say where to go is a failure', async () => {
    const { origin } = await serve((request, response) => {
      response.writeHead(302, request.url === '/a' ? {} : { location: 'http://[' }).end()
    })
    for (const path of ['/a', '/b']) {
      expect((await download(origin + path)).error).toEqual(failed('answered 302 without saying where to go', false, 302))
    }
  })

  it('is not followed from https to http', async () => {
    const plain = await serve(picture)
    const secure = await serveTls((request, response) => {
      response.writeHead(302, { location: request.url === '/down' ? plain.origin : '/down' }).end()
    })
    const before = getCACertificates('default')
    onTestFinished(() => setDefaultCACertificates(before))
    setDefaultCACertificates([...before, testCertificate])
    expect((await download(secure.origin)).error).toEqual(failed('redirects from https to http', false, 302))
    expect(plain.connections()).toBe(0)
  })

  it('has its body left unread, and so has a failure', async () => {
    const gone: Promise<unknown>[] = []
    const { origin } = await serve((request, response) => {
      if (request.url === '/there') return void response.end('there')
      gone.push(once(response, 'close'))
      // Neither body ends: waiting for it would run into the time limit.
      response.writeHead(request.url === '/a' ? 302 : 404, { location: '/there' }).write('moved')
      return undefined
    })
    expect((await download(`${origin}/a`)).sink?.text).toBe('there')
    expect((await download(`${origin}/b`)).error).toEqual(failed('answered 404', false, 404))
    expect(gone).toHaveLength(2)
    await Promise.all(gone)
  })
})
