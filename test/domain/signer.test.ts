import { createHmac, hkdfSync } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { makeSigner } from '../../src/domain/signer.ts'

const signer = makeSigner(['the first secret'])
const noon = Date.UTC(2026, 0, 15, 12)
const dayMs = 86_400_000
const path = '/jobs/job_1/images/0'

/** A signed query as a server sees it. */
function queryOf(text: string): { exp: string; sig: string } {
  const query = new URLSearchParams(text)
  return { exp: query.get('exp') ?? '', sig: query.get('sig') ?? '' }
}

describe('a trace id', () => {
  test('is the same after a restart, another for each task and each job, and looks as the provider’s own', () => {
    const id = signer.traceId('job_1', 1)
    expect(makeSigner(['the first secret']).traceId('job_1', 1)).toBe(id)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    const others = [signer.traceId('job_1', 2), signer.traceId('job_2', 1), makeSigner(['another']).traceId('job_1', 1)]
    expect(new Set([id, ...others]).size).toBe(4)
  })

  test('is known by older secrets, too, and sent by the newest', () => {
    const both = makeSigner(['a new secret', 'the first secret'])
    expect(both.traceIds('job_1', 1)).toEqual([both.traceId('job_1', 1), signer.traceId('job_1', 1)])
    expect(both.traceId('job_1', 1)).toBe(makeSigner(['a new secret']).traceId('job_1', 1))
  })
})

describe('a callback token', () => {
  test('names its task, and is the same after a restart', () => {
    for (const taskId of [1, 2, 77, 2 ** 31, Number.MAX_SAFE_INTEGER]) {
      const token = signer.callbackToken(taskId)
      expect(signer.taskOfToken(token)).toBe(taskId)
      expect(makeSigner(['the first secret']).callbackToken(taskId)).toBe(token)
    }
  })

  test('fits into a path, and below the length at which paths are refused', () => {
    const token = signer.callbackToken(Number.MAX_SAFE_INTEGER)
    expect(token).toMatch(/^[\w.-]+$/)
    expect(token.length).toBeLessThan(100)
  })

  test('of another secret is not ours', () => {
    expect(signer.taskOfToken(makeSigner(['another secret']).callbackToken(1))).toBeNull()
  })

  test('of one task does not open another', () => {
    const [, mac] = signer.callbackToken(1).split('.')
    expect(signer.taskOfToken(`2.${mac}`)).toBeNull()
    expect(signer.taskOfToken(`11.${mac}`)).toBeNull()
    expect(signer.taskOfToken(`01.${mac}`)).toBeNull()
  })

  test('is refused when any character of it is changed', () => {
    const token = signer.callbackToken(1234)
    for (let at = 0; at < token.length; at += 1) {
      for (const other of ['0', '9', 'A', 'z', '-', '.']) {
        if (token[at] === other) continue
        expect(signer.taskOfToken(token.slice(0, at) + other + token.slice(at + 1))).toBeNull()
      }
    }
  })

  test.each([
    '',
    '.',
    '1',
    '1.',
    '.x',
    '0.',
    `0.${'A'.repeat(43)}`,
    `-1.${'A'.repeat(43)}`,
    `1.5.${'A'.repeat(43)}`,
    'é'.repeat(45),
  ])('is not %j', token => expect(signer.taskOfToken(token)).toBeNull())

  test('has nothing before it, and nothing after', () => {
    const token = signer.callbackToken(1)
    for (const odd of [`${token}\n`, ` ${token}`, `${token}=`, `${token}A`, token.toUpperCase(), `${token}.${token}`])
      expect(signer.taskOfToken(odd)).toBeNull()
  })

  test('no text that was not made here is taken', () => {
    fc.assert(
      fc.property(fc.string(), text => {
        expect(signer.taskOfToken(text)).toBeNull()
      }),
    )
    fc.assert(
      fc.property(fc.nat(), fc.base64String({ minLength: 44, maxLength: 44 }), (id, mac) => {
        expect(signer.taskOfToken(`${id}.${mac.slice(0, 43).replaceAll('+', '-').replaceAll('/', '_')}`)).toBeNull()
      }),
    )
  })
})

describe('a signed path', () => {
  test('opens until it expires, 24 to 48 hours on', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: dayMs - 1 }), intoDay => {
        const now = Date.UTC(2026, 0, 15) + intoDay
        const query = queryOf(signer.signPath(path, now))
        const lifeMs = Number(query.exp) * 1_000 - now
        expect(lifeMs).toBeGreaterThan(dayMs)
        expect(lifeMs).toBeLessThanOrEqual(2 * dayMs)
        expect(signer.verifyPath(path, query, now)).toBe(true)
        expect(signer.verifyPath(path, query, now + lifeMs - 1)).toBe(true)
        expect(signer.verifyPath(path, query, now + lifeMs)).toBe(false)
      }),
    )
  })

  test('is the same all day, and another the next', () => {
    const start = Date.UTC(2026, 0, 15)
    const first = signer.signPath(path, start)
    expect(signer.signPath(path, noon)).toBe(first)
    expect(signer.signPath(path, start + dayMs - 1)).toBe(first)
    expect(signer.signPath(path, start + dayMs)).not.toBe(first)
    expect(signer.signPath(path, start - 1)).not.toBe(first)
  })

  test('opens no other path', () => {
    const query = queryOf(signer.signPath(path, noon))
    for (const other of ['/jobs/job_1/images/1', '/jobs/job_1/inputs/0', '/jobs/job_2/images/0', `${path}/`, '', `${path}?`])
      expect(signer.verifyPath(other, query, noon)).toBe(false)
  })

  test('is refused when its time or its signature is changed', () => {
    const { exp, sig } = queryOf(signer.signPath(path, noon))
    const later = String(Number(exp) + 86_400)
    for (const changed of [later, `0${exp}`, ` ${exp}`, `${exp}.0`, '', '9'.repeat(12), '9'.repeat(40), '1e12', '-1'])
      expect(signer.verifyPath(path, { exp: changed, sig }, noon)).toBe(false)
    for (const changed of ['', sig.slice(1), `${sig}=`, sig.toUpperCase(), `A${sig.slice(1)}A`, 'é'.repeat(43)])
      expect(signer.verifyPath(path, { exp, sig: changed }, noon)).toBe(false)
  })

  test('needs both, each once', () => {
    const { exp, sig } = queryOf(signer.signPath(path, noon))
    for (const query of [{}, { exp }, { sig }, { exp: [exp, exp], sig }, { exp, sig: [sig] }, { exp: Number(exp), sig }])
      expect(signer.verifyPath(path, query, noon)).toBe(false)
  })
})

describe('when the secret is changed', () => {
  const [old, rotated] = [makeSigner(['old secret']), makeSigner(['new secret', 'old secret'])]

  test('what was signed before still opens', () => {
    expect(rotated.taskOfToken(old.callbackToken(7))).toBe(7)
    expect(rotated.verifyPath(path, queryOf(old.signPath(path, noon)), noon)).toBe(true)
  })

  test('the new one signs', () => {
    expect(rotated.callbackToken(7)).toBe(makeSigner(['new secret']).callbackToken(7))
    expect(rotated.signPath(path, noon)).toBe(makeSigner(['new secret']).signPath(path, noon))
    expect(old.taskOfToken(rotated.callbackToken(7))).toBeNull()
  })

  test('what was signed before is worth nothing once the old one is gone', () => {
    expect(makeSigner(['new secret']).taskOfToken(old.callbackToken(7))).toBeNull()
    expect(makeSigner(['new secret']).verifyPath(path, queryOf(old.signPath(path, noon)), noon)).toBe(false)
  })

  test('there is a webhook secret for each, newest first, of 32 bytes', () => {
    const secrets = rotated.defaultWebhookSecrets()
    expect(secrets).toEqual([...makeSigner(['new secret']).defaultWebhookSecrets(), ...old.defaultWebhookSecrets()])
    for (const secret of secrets) {
      expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]+=*$/)
      expect(Buffer.from(secret.slice(6), 'base64')).toHaveLength(32)
    }
  })

  test('there must be one', () => {
    expect(() => makeSigner([])).toThrow(TypeError)
  })
})

test('what signs is the HMAC-SHA256 that everybody knows', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.nat(), fc.string({ unit: 'binary' }), (secret, taskId, signed) => {
      const keyOf = (purpose: string): Buffer => Buffer.from(hkdfSync('sha256', secret, '', `darkroom ${purpose}`, 32))
      const hmac = (purpose: string, text: string): string =>
        createHmac('sha256', keyOf(purpose)).update(text).digest('base64url')
      const made = makeSigner([secret])
      expect(made.callbackToken(taskId)).toBe(`${taskId}.${hmac('callback token', String(taskId))}`)
      const { exp, sig } = queryOf(made.signPath(signed, noon))
      expect(sig).toBe(hmac('signed url', `${signed}?${exp}`))
    }),
  )
})
