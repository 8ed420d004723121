import { hash } from 'node:crypto'

/** Who asks. `all`: every job is theirs to see. */
export type Caller = { owner: string; sees: 'own' | 'all' }

export type ApiKeys = readonly { name: string; secret: string }[]

/** The keys that open the service. */
export type Keyring = {
  /** No key is needed: whoever asks may do all. */
  isOpen: boolean
  hasAdmin: boolean
  /** Whose key an Authorization header carries; null: nobody's. */
  callerOf: (header: string | undefined) => Caller | null
  /** As above, of the administrator's key alone: whatever else is open to everybody, this is not. */
  adminOf: (header: string | undefined) => Caller | null
  /** From now on these are the API keys. */
  replace: (apiKeys: ApiKeys) => void
}

/** What the administrator's own jobs belong to: no API key can have this name. */
const adminOwner = '@admin'
const everybody: Caller = { owner: '', sees: 'all' }

/** A key is never compared: its digest is looked up, and how long that takes tells nothing of any key. */
const digest = (key: string): string => hash('sha256', key, 'base64')

function digestIn(header: string | undefined): string | null {
  const [, key] = /^bearer +(\S+) *$/i.exec(header ?? '') ?? []
  return key === undefined ? null : digest(key)
}

function callersOf(apiKeys: ApiKeys): Map<string, Caller> {
  return new Map(apiKeys.map(({ name, secret }) => [digest(secret), { owner: name, sees: 'own' }]))
}

export function makeKeyring(apiKeys: ApiKeys, adminKey: string | null): Keyring {
  const isOpen = apiKeys.length === 0
  const adminDigest = adminKey === null ? null : digest(adminKey)
  const admins = new Map<string, Caller>(adminDigest === null ? [] : [[adminDigest, { owner: adminOwner, sees: 'all' }]])
  let callers = callersOf(apiKeys)
  const adminOf = (header: string | undefined): Caller | null => admins.get(digestIn(header) ?? '') ?? null
  return {
    isOpen,
    hasAdmin: adminKey !== null,
    callerOf(header) {
      if (isOpen) return everybody
      const given = digestIn(header) ?? ''
      return callers.get(given) ?? admins.get(given) ?? null
    },
    adminOf,
    replace(next) {
      callers = callersOf(next)
    },
  }
}
