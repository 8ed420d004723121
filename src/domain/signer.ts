import { createHmac, createSecretKey, hkdfSync, timingSafeEqual } from 'node:crypto'

/**
 * All that is derived from the one secret. The newest secret signs, older ones still verify, so that it can be changed while
 * callbacks are under way.
 */
export type Signer = {
  /** The token in a task's callback URL: says which task, and that it was us who made it. */
  callbackToken(taskId: number): string
  /** The task of a token; null where it is not ours. Reads no database, so that a forged token costs next to nothing. */
  taskOfToken(token: string): number | null
  /**
   * What the provider is to know a task's submits by. Made of its job's id as well, which is random: no task of another database
   * under the same secret, or of one that was restored, has the same.
   */
  traceId(jobId: string, taskId: number): string
  /** All that its submits may have gone out under. */
  traceIds(jobId: string, taskId: number): readonly string[]
  /** The query that opens a picture's path without a key, good for 24 to 48 h, the same all day (UTC). */
  signPath(path: string, now: number): string
  /** Whether a query opens this path now. */
  verifyPath(path: string, query: { exp?: unknown; sig?: unknown }, now: number): boolean
  /** The webhook secret that holds where none is configured, in the form `whsec_…`. */
  defaultWebhookSecrets(): string[]
}

const dayMs = 86_400_000

function derive(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `darkroom ${purpose}`, 32))
}

/** Compares in constant time; texts of different lengths differ at once, their length being no secret. */
function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

type Mac = (text: string) => string

/** HMAC-SHA256 in base64url. The key is made an object once: made of bytes at each call, it costs eight times as much. */
function makeMac(key: Buffer): Mac {
  const made = createSecretKey(key)
  return text => createHmac('sha256', made).update(text).digest('base64url')
}

/** In the form of a random UUID, as the provider's own trace ids are. */
function traceOf(key: Mac, jobId: string, taskId: number): string {
  const bytes = Buffer.from(key(`${jobId} ${taskId}`), 'base64url').subarray(0, 16)
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6)
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/**
 * @param secrets newest first, at least one.
 */
export function makeSigner(secrets: readonly string[]): Signer {
  const keys = (purpose: string): Mac[] => secrets.map(secret => makeMac(derive(secret, purpose)))
  const callbackKeys = keys('callback token')
  const traceKeys = keys('trace id')
  const urlKeys = keys('signed url')
  const [callbackKey] = callbackKeys
  const [urlKey] = urlKeys
  const [traceKey] = traceKeys
  if (callbackKey === undefined || urlKey === undefined || traceKey === undefined)
    throw new TypeError('at least one secret is needed')

  return {
    callbackToken(taskId) {
      return `${taskId}.${callbackKey(String(taskId))}`
    },
    taskOfToken(token) {
      const match = /^([1-9]\d{0,15})\.([\w-]{43})$/.exec(token)
      const [, id, given] = match ?? []
      if (id === undefined || given === undefined) return null
      return callbackKeys.some(key => same(key(id), given)) ? Number(id) : null
    },
    traceId: (jobId, taskId) => traceOf(traceKey, jobId, taskId),
    traceIds: (jobId, taskId) => traceKeys.map(key => traceOf(key, jobId, taskId)),
    signPath(path, now) {
      const exp = (Math.floor(now / dayMs) + 2) * (dayMs / 1_000)
      return `exp=${exp}&sig=${urlKey(`${path}?${exp}`)}`
    },
    verifyPath(path, { exp, sig }, now) {
      if (typeof exp !== 'string' || typeof sig !== 'string' || !/^\d{1,12}$/.test(exp)) return false
      if (Number(exp) * 1_000 <= now) return false
      return urlKeys.some(key => same(key(`${path}?${exp}`), sig))
    },
    defaultWebhookSecrets() {
      return secrets.map(secret => `whsec_${derive(secret, 'webhooks').toString('base64')}`)
    },
  }
}
