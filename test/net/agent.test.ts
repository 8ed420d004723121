import type { LookupAddress } from 'node:dns'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { type Agent, request } from 'undici'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { AddressRefused, type DialPolicy, guardedAgent } from '../../src/net/guard.ts'
import { testCertificate } from './certificate.ts'
import { serve, serveTls } from './servers.ts'

const publicV4: LookupAddress = { address: '8.8.8.8', family: 4 }
const publicV6: LookupAddress = { address: '2606:4700:4700::1111', family: 6 }
const loopback: LookupAddress = { address: '127.0.0.1', family: 4 }

function agentFor(policy: Partial<DialPolicy>): Agent {
  const agent = guardedAgent({ allowPrivate: false, ...policy })
  onTestFinished(async () => agent.destroy())
  return agent
}

async function get(url: string, dispatcher: Agent): Promise<string> {
  const response = await request(url, { dispatcher })
  return response.body.text()
}

function answering(...answers: LookupAddress[]) {
  return vi.fn(async (_host: string) => answers)
}

describe('a guarded agent', () => {
  it('does not dial a private literal, however it is spelled', async () => {
    const server = await serve((_, response) => response.end('secret'))
    const agent = agentFor({})
    for (const host of [
      '127.0.0.1',
      '127.1',
      '0x7f000001',
      '2130706433',
      '[::ffff:127.0.0.1]',
      '[::1]',
      '0.0.0.0',
      'localhost',
      'localhost.',
    ]) {
      await expect(get(`http://${host}:${server.port}`, agent)).rejects.toThrow(AddressRefused)
    }
    expect(server.connections()).toBe(0)
  })

  it('does not dial a name that resolves to a private address', async () => {
    const server = await serve((_, response) => response.end('secret'))
    const agent = agentFor({ lookup: answering(loopback) })
    await expect(get(`http://pictures.example:${server.port}`, agent)).rejects.toThrow('pictures.example is at a private address')
    expect(server.connections()).toBe(0)
  })

  it.each([
    ['first', [loopback, publicV4]],
    ['last', [publicV4, publicV6, loopback]],
    ['as IPv6', [publicV4, { address: '::1', family: 6 }]],
    ['mapped', [publicV4, { address: '::ffff:127.0.0.1', family: 6 }]],
    ['with a zone', [publicV4, { address: 'fe80::1%lo', family: 6 }]],
    ['as no address at all', [publicV4, { address: '127.1', family: 4 }]],
  ])('dials none of the answers where one of them is private: %s', async (_where, answers) => {
    const server = await serve((_, response) => response.end('secret'))
    const agent = agentFor({ lookup: answering(...answers) })
    await expect(get(`http://pictures.example:${server.port}`, agent)).rejects.toThrow(AddressRefused)
    expect(server.connections()).toBe(0)
  })

  it('gets nowhere with a name that was public when it was looked at, and is private when it is dialled', async () => {
    const server = await serve((_, response) => response.end('secret'))
    const lookup = answering(loopback).mockResolvedValueOnce([publicV4])
    // What a check ahead of the connection would have seen.
    expect(await lookup('rebinding.example')).toEqual([publicV4])
    await expect(get(`http://rebinding.example:${server.port}`, agentFor({ lookup }))).rejects.toThrow(AddressRefused)
    expect(server.connections()).toBe(0)
  })

  it('asks once for each connection, and dials that answer', async () => {
    const server = await serve((_, response) => response.end('first'))
    const lookup = answering({ address: '127.0.0.2', family: 4 }).mockResolvedValueOnce([loopback])
    const agent = agentFor({ allowPrivate: true, lookup })
    expect(await get(`http://pictures.example:${server.port}`, agent)).toBe('first')
    expect(lookup.mock.calls).toEqual([['pictures.example']])
  })

  it('names the host in its refusal, and no address', async () => {
    const agent = agentFor({ lookup: answering({ address: '10.11.12.13', family: 4 }) })
    const refusal: unknown = await get('http://pictures.example', agent).catch((error: unknown) => error)
    expect(refusal).toMatchObject({ host: 'pictures.example', code: 'ADDRESS_REFUSED' })
    expect(JSON.stringify(refusal) + String(refusal)).not.toContain('10.11')
  })

  it('fails as a resolver does where there is no answer', async () => {
    await expect(get('http://pictures.example', agentFor({ lookup: answering() }))).rejects.toMatchObject({ code: 'ENOTFOUND' })
    const failing = { lookup: vi.fn().mockRejectedValue(Object.assign(new Error('try again'), { code: 'EAI_AGAIN' })) }
    await expect(get('http://pictures.example', agentFor(failing))).rejects.toMatchObject({ code: 'EAI_AGAIN' })
  })

  it('dials an allowed origin, and no other port, scheme or name of that host', async () => {
    const server = await serve((_, response) => response.end('sandbox'))
    const other = await serve((_, response) => response.end('secret'))
    const agent = agentFor({ allowedOrigins: [server.origin], lookup: answering(loopback) })
    expect(await get(`${server.origin}/a.png`, agent)).toBe('sandbox')
    const refused = [
      other.origin,
      `https://127.0.0.1:${server.port}`,
      `http://localhost:${server.port}`,
      `http://pictures.example:${server.port}`,
      `http://[::ffff:127.0.0.1]:${server.port}`,
      'http://127.0.0.1',
    ]
    for (const url of refused) await expect(get(url, agent)).rejects.toThrow(AddressRefused)
    expect([server.connections(), other.connections()]).toEqual([1, 0])
  })

  it('dials an allowed origin that is a name, wherever it leads', async () => {
    const server = await serve((_, response) => response.end('sandbox'))
    const origin = `http://sandbox.example:${server.port}`
    const agent = agentFor({ allowedOrigins: [origin], lookup: answering(loopback) })
    expect(await get(origin, agent)).toBe('sandbox')
    await expect(get(`http://other.example:${server.port}`, agent)).rejects.toThrow(AddressRefused)
  })

  it('takes no proxy from the environment', async () => {
    const proxy = await serve((_, response) => response.end('proxy'))
    const server = await serve((_, response) => response.end('server'))
    for (const name of ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY']) vi.stubEnv(name, proxy.origin)
    vi.stubEnv('NODE_USE_ENV_PROXY', '1')
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(await get(server.origin, agentFor({ allowPrivate: true }))).toBe('server')
    expect(proxy.connections()).toBe(0)
  })

  it('trusts no certificate that the system does not, whatever the environment says', async () => {
    const server = await serveTls((_, response) => response.end('over TLS'))
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    // Node says what it thinks of that setting.
    vi.spyOn(process, 'emitWarning').mockReturnValue()
    onTestFinished(() => void vi.unstubAllEnvs())
    const agent = agentFor({ allowedOrigins: [server.origin] })
    await expect(get(server.origin, agent)).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  })

  it('speaks TLS with a server whose certificate is trusted', async () => {
    const server = await serveTls((_, response) => response.end('over TLS'))
    const before = getCACertificates('default')
    onTestFinished(() => setDefaultCACertificates(before))
    setDefaultCACertificates([...before, testCertificate])
    expect(await get(server.origin, agentFor({ allowedOrigins: [server.origin] }))).toBe('over TLS')
    await expect(get(server.origin, agentFor({}))).rejects.toThrow(AddressRefused)
  })
})
