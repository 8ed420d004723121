import * as fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { checkUrl, isPublicAddress } from '../../src/net/guard.ts'
import { plainSpellings, publicAddress, specialAddress, wrappedSpellings } from './addresses.ts'

const strict = { allowPrivate: false }

function isAllowed(text: string): boolean {
  return checkUrl(text, strict).ok
}

const hostile = [
  'http://127.0.0.1',
  'http://127.1',
  'http://127.0.1',
  'http://127.255.255.254',
  'http://127.0.0.1.',
  'http://127.0.0.1..',
  'http://2130706433..',
  'http://2130706433',
  'http://0x7f000001',
  'http://0x7f.0x0.0x0.0x1',
  'http://0x7f.1',
  'http://127.0.0x1',
  'http://017700000001',
  'http://0177.0.0.01',
  'http://00000177.0.0.1',
  'http://0',
  'http://0.0.0.0',
  'http://0x',
  'http://1',
  'http://127。0。0。1',
  'http://127．0．0．1',
  'http://１２７.０.０.１',
  'http://①②⑦.⓪.⓪.①',
  'http://%31%32%37%2e0.0.1',
  'http:127.0.0.1',
  'http:/127.0.0.1',
  'http:\\\\127.0.0.1\\x',
  'ht\ntp://127.0.\t0.1',
  ' http://127.0.0.1 ',
  'http://@127.0.0.1',
  'http://127.0.0.1#@example.com',
  'http://127.0.0.1?@example.com',
  'http://10.0.0.1',
  'http://172.31.255.255',
  'http://192.168.1.1:8080',
  'http://169.254.169.254/latest/meta-data/',
  'http://0xa9fea9fe',
  'http://2852039166',
  'http://100.100.100.200',
  'http://168.63.129.16',
  'http://192.0.0.192',
  'http://198.18.0.1',
  'http://224.0.0.1',
  'http://255.255.255.255',
  'http://[::]',
  'http://[::1]',
  'http://[0:0:0:0:0:0:0:1]',
  'http://[::127.0.0.1]',
  'http://[::ffff:127.0.0.1]',
  'http://[::ffff:7f00:1]',
  'http://[::ffff:0:127.0.0.1]',
  'http://[64:ff9b::7f00:1]',
  'http://[64:ff9b::169.254.169.254]',
  'http://[64:ff9b:1::a00:1]',
  'http://[2002:7f00:1::]',
  'http://[2002:a9fe:a9fe::1]',
  'http://[2001:0:7f00:1::]',
  'http://[2001::80ff:fffe]',
  'http://[fe80::1]',
  'http://[fe80::1%25eth0]',
  'http://[fe80::1%eth0]',
  'http://[::1%25lo]',
  'http://[fc00::1]',
  'http://[fd00:ec2::254]',
  'http://[fec0::1]',
  'http://[ff02::1]',
  'http://[100::1]',
  'http://[2001:db8::1]',
  'http://[3fff::1]',
  'http://[5f00::1]',
  'http://[4000::1]',
  'http://localhost',
  'http://LOCALHOST:3000',
  'http://localhost.',
  'http://localhost..',
  'http://loc\u00adalhost',
  'http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ',
  'http://a.localhost',
  'http://a.b.localhost.',
  'http://localhost.localdomain',
  'http://metadata.google.internal',
  'http://metadata.google.internal.',
  'http://printer.local',
  'http://nas.home.arpa',
]

const notForUs = [
  '',
  'not a url',
  '//example.com/a.png',
  '/a.png',
  'http://',
  'http://.',
  'http://./',
  'http://a..example.com',
  'http://.example.com',
  'http://1.2.3.4.5',
  'http://4294967296',
  'http://8.8.8.8:99999',
  'ftp://example.com/a.png',
  'file:///etc/passwd',
  'data:image/png;base64,AAAA',
  'gopher://example.com',
  'javascript:alert(1)',
  'ws://example.com',
  'blob:http://example.com/a',
  'http://user@example.com',
  'http://user:password@example.com',
  'http://:password@example.com',
  'http://8.8.8.8%2f@example.com',
]

const harmless = [
  'http://example.com',
  'https://example.com:8443/a%20b.png?x=1#y',
  'https://example.com./a.png',
  'https://localhost.example.com',
  'https://notlocalhost',
  'https://local.example.com',
  'https://bücher.example/ä.png',
  'http://8.8.8.8/a.png',
  'http://0x08080808',
  'http://[2606:4700:4700::1111]:8080/',
  'http://[::ffff:8.8.8.8]/',
  'https://example.com/?to=http://127.0.0.1@x',
]

describe('checkUrl', () => {
  test.each(hostile)('refuses %j', text => {
    expect(isAllowed(text)).toBe(false)
  })

  test.each(notForUs)('refuses %j even where private addresses are allowed', text => {
    expect(checkUrl(text, { allowPrivate: true }).ok).toBe(false)
  })

  test.each(harmless)('allows %j', text => {
    expect(isAllowed(text)).toBe(true)
  })

  it('refuses a URL of more than 4096 characters', () => {
    const start = 'http://example.com/'
    expect(isAllowed(start.padEnd(4096, 'a'))).toBe(true)
    expect(isAllowed(start.padEnd(4097, 'a'))).toBe(false)
  })

  it('refuses every special IPv4 address in every spelling', () => {
    const spelling = fc.constantFrom(...plainSpellings, ...wrappedSpellings)
    const hostileUrl = fc.tuple(specialAddress, spelling).map(([address, spell]) => `http://${spell(address)}/a.png`)
    fc.assert(
      fc.property(hostileUrl, text => !isAllowed(text)),
      { numRuns: 5000 },
    )
  })

  it('allows every other IPv4 address in every spelling that leads to it', () => {
    const spelling = fc.constantFrom(...plainSpellings)
    const url = fc.tuple(publicAddress, spelling).map(([address, spell]) => `http://${spell(address)}/a.png`)
    fc.assert(fc.property(url, isAllowed), { numRuns: 5000 })
  })

  it('refuses a public IPv4 address that is wrapped for a gateway', () => {
    const url = fc
      .tuple(publicAddress, fc.constantFrom(...wrappedSpellings))
      .map(([address, spell]) => `http://${spell(address)}`)
    fc.assert(
      fc.property(url, text => !isAllowed(text)),
      { numRuns: 2000 },
    )
  })

  it('gives back the URL as it is to be dialled, where other parsers may see another host', () => {
    expect(checkUrl('http://8.8.8.8\\@127.0.0.1/', strict)).toMatchObject({ ok: true, url: { hostname: '8.8.8.8' } })
    const check = checkUrl(' http:\\\\0x08.0x08.0x08.0x08\\a.png', strict)
    expect(check).toMatchObject({ ok: true, url: { href: 'http://8.8.8.8/a.png' } })
  })

  it('gives reasons that complete a sentence', () => {
    const reasons = ['http://10.0.0.1', 'ftp://x', 'x', 'http://u@x', `http://x/${'a'.repeat(5000)}`, 'http://a..b'].map(text => {
      const check = checkUrl(text, strict)
      return check.ok ? null : check.reason
    })
    expect(reasons).toEqual([
      'is at a private address',
      'is neither http nor https',
      'is not a valid URL',
      'holds a user name or a password',
      'is longer than 4096 characters',
      'has no valid host',
    ])
  })

  it('allows private addresses where the policy does', () => {
    for (const host of ['127.0.0.1', '[::1]', 'localhost', '10.0.0.1:8080', 'nas.local']) {
      expect(checkUrl(`http://${host}/`, { allowPrivate: true }).ok).toBe(true)
    }
  })

  it('allows an allowed origin, and no other that looks like it', () => {
    const policy = { allowPrivate: false, allowedOrigins: ['http://127.0.0.1:4000', 'http://localhost:80/'] }
    const allowed = ['http://127.0.0.1:4000/a.png', 'http://127.1:4000', 'http://localhost/a', 'http://LOCALHOST:80']
    const refused = [
      'http://127.0.0.1',
      'http://127.0.0.1:4001',
      'http://127.0.0.1:40000',
      'https://127.0.0.1:4000',
      'http://127.0.0.2:4000',
      'http://localhost:4000',
      'https://localhost',
      'http://a.localhost',
      'http://user@127.0.0.1:4000',
    ]
    expect(allowed.filter(text => !checkUrl(text, policy).ok)).toEqual([])
    expect(refused.filter(text => checkUrl(text, policy).ok)).toEqual([])
  })
})

describe('isPublicAddress', () => {
  it('knows a public address in the spellings that resolvers answer with', () => {
    for (const ip of ['8.8.8.8', '2606:4700:4700::1111', '::ffff:8.8.8.8']) expect(isPublicAddress(ip)).toBe(true)
  })

  it('takes nothing that node does not call an address', () => {
    for (const ip of [
      '',
      'example.com',
      '8.8',
      '0x08080808',
      '010.8.8.8',
      '8.8.8.8.',
      '[2606:4700::1]',
      '2606:4700::1%eth0',
      ' 8.8.8.8',
    ]) {
      expect(isPublicAddress(ip)).toBe(false)
    }
  })
})
