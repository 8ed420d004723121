import { createHmac } from 'node:crypto'

const prefix = 'whsec_'

/** The bytes of a secret in the form `whsec_` and base64. */
export function secretBytes(secret: string): Buffer {
  return Buffer.from(secret.startsWith(prefix) ? secret.slice(prefix.length) : secret, 'base64')
}

/**
 * Signs a body as Standard Webhooks lays down (https://www.standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`, once for
 * each secret, so that receivers may change theirs at leisure. The body may come in pieces: it is signed as the bytes that are sent.
 * @param timestampS seconds since 1970.
 */
export async function sign(
  secrets: readonly string[],
  id: string,
  timestampS: number,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<string> {
  const macs = secrets.map(secret => createHmac('sha256', secretBytes(secret)).update(`${id}.${timestampS}.`))
  for await (const piece of body) for (const mac of macs) mac.update(piece)
  return macs.map(mac => `v1,${mac.digest('base64')}`).join(' ')
}
