import { Readable } from 'node:stream'
import { type Agent, request } from 'undici'
import { AddressRefused, checkUrl, type DialPolicy, guardedAgent, privateReason } from '../net/guard.ts'
import { sign } from './signature.ts'

/** A body that can be read more than once: it is signed first, and then sent. */
export type DeliveryBody = { sizeBytes: number; chunks: () => AsyncIterable<Uint8Array> }

export type Sending = { id: string; url: string; body: DeliveryBody /** ms since 1970 */; now: number }

export type Sent = {
  /** HTTP; null where there was no answer. */
  status: number | null
  /** The answer's first kB, or why there was none. */
  answer: string
  retryAfter: string | null
  /** The address may not be dialled: trying again changes nothing. */
  refused: boolean
}

export type Sender = {
  /** POSTs one delivery, signed. Never rejects for what a network or a receiver does. */
  send(sending: Sending): Promise<Sent>
  close(): Promise<void>
}

const attemptMs = 15_000
const keptAnswerBytes = 1_024

function noAnswer(answer: string, refused = false): Sent {
  return { status: null, answer, retryAfter: null, refused }
}

/** The beginning of an answer, or what came of it; the rest is not read. */
async function beginning(body: Readable): Promise<string> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  try {
    for await (const chunk of body) {
      const bytes = Buffer.from(chunk)
      chunks.push(bytes)
      sizeBytes += bytes.length
      if (sizeBytes >= keptAnswerBytes) break
    }
  } catch {
    // Broken off, or out of time: the status says all that counts.
  }
  return Buffer.concat(chunks).subarray(0, keptAnswerBytes).toString('utf8')
}

/** Rejects when the signal fires: the connection's own set-up does not listen to it. */
function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/**
 * Sends to addresses that clients named, so only to such as may be dialled, checked now and again on the connection itself.
 * Follows no redirect.
 */
export function makeSender(policy: DialPolicy, secrets: readonly string[], version: string, timeoutMs = attemptMs): Sender {
  const agent: Agent = guardedAgent(policy)

  async function post({ id, url, body, now }: Sending, signal: AbortSignal) {
    const timestampS = Math.floor(now / 1_000)
    return request(url, {
      dispatcher: agent,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'content-length': String(body.sizeBytes),
        'user-agent': `darkroom/${version}`,
        'webhook-id': id,
        'webhook-timestamp': String(timestampS),
        'webhook-signature': await sign(secrets, id, timestampS, body.chunks()),
      },
      body: Readable.from(body.chunks(), { objectMode: false }),
      signal,
    })
  }

  return {
    async send(sending) {
      const check = checkUrl(sending.url, policy)
      if (!check.ok) return noAnswer(`not sent: the URL ${check.reason}`, true)
      const over = new AbortController()
      const timer = setTimeout(() => over.abort(new Error('timeout')), timeoutMs)
      const cut = whenAborted(over.signal)
      try {
        const { statusCode, headers, body } = await Promise.race([post(sending, over.signal), cut])
        const retryAfter = headers['retry-after']
        // The status holds however slowly the rest comes: the signal ends that too.
        const answer = await beginning(body)
        return { status: statusCode, answer, retryAfter: typeof retryAfter === 'string' ? retryAfter : null, refused: false }
      } catch (error) {
        if (over.signal.aborted) return noAnswer(`no answer within ${timeoutMs / 1_000} s`)
        if (isRefused(error)) return noAnswer(`not sent: the host ${privateReason}`, true)
        const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
        return noAnswer(`no answer (${code})`)
      } finally {
        clearTimeout(timer)
        cut.catch(() => {})
      }
    },
    close: () => agent.destroy(),
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof AddressRefused || (error instanceof Error && error.cause instanceof AddressRefused)
}
