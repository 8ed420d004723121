import { join } from 'node:path'
import type { Config } from '../config.ts'
import { makeSigner } from '../domain/signer.ts'
import { readSecrets } from '../files/secret.ts'
import { isLoopback } from '../net/local-url.ts'
import { type Finding, findingsOf, isMissing } from './finding.ts'

const apiKeys = findingsOf('API keys')
const adminKey = findingsOf('admin key')
const webhooks = findingsOf('webhook secret')
const proxy = findingsOf('proxy')

const shortKey = 16

/** Who may use the service, as far as the settings say. */
export function examineKeys(config: Config): Finding[] {
  return [examineApiKeys(config), examineAdminKey(config), ...examineProxy(config)]
}

function examineApiKeys(config: Config): Finding {
  const make = 'make one with: openssl rand -hex 32'
  const { length: count } = config.apiKeys
  const namesOf = (keys: Config['apiKeys']): string => [...new Set(keys.map(key => key.name))].join(', ')
  if (count > 0) {
    const short = config.apiKeys.filter(key => key.secret.length < shortKey)
    if (short.length === 0) return apiKeys.ok(`${count}: ${namesOf(config.apiKeys)}`)
    return apiKeys.warn(`${count}; too short to be safe: ${namesOf(short)}`, make)
  }
  if (config.provider !== 'sandbox')
    return apiKeys.warn('none: everybody who reaches it can spend your credits', `set API_KEYS; ${make}`)
  if (!isLoopback(config.host)) return apiKeys.warn('none: everybody who reaches it may use it', `set API_KEYS; ${make}`)
  return apiKeys.ok('none: open, to this machine only')
}

function examineAdminKey(config: Config): Finding {
  if (config.adminKey === null) return adminKey.ok('not set: /metrics is off')
  if (config.apiKeys.length === 0)
    return adminKey.warn('set, but API_KEYS is not: everything but /metrics is open to all', 'set API_KEYS as well')
  if (config.adminKey.length < shortKey) return adminKey.warn('too short to be safe', 'make one with: openssl rand -hex 32')
  return adminKey.ok('set')
}

function examineProxy(config: Config): Finding[] {
  // We speak no TLS ourselves, so with https there is something in front of us.
  const hasProxy = config.publicUrl !== null && /^https:/i.test(config.publicUrl)
  if (config.trustProxy.length > 0) return [proxy.ok(`TRUST_PROXY names ${config.trustProxy.join(', ')}`)]
  if (!hasProxy) return []
  const seen = 'PUBLIC_URL is https, so a proxy stands in front, but TRUST_PROXY is not set: all clients look like one address'
  return [proxy.warn(seen, 'set TRUST_PROXY to the proxy’s address')]
}

export type WebhookSecrets = {
  finding: Finding /** Newest first; empty where they are not made yet. */
  secrets: readonly string[]
}

/** What webhooks are signed with. The secrets are not in the finding. */
export async function examineWebhookSecrets(config: Config): Promise<WebhookSecrets> {
  if (config.webhookSecrets.length > 0) return told(config.webhookSecrets, 'in WEBHOOK_SECRETS')
  const kept = config.secrets.length > 0 ? config.secrets : await keptSecrets(join(config.dataDir, 'secret'))
  if (kept === null) return { finding: webhooks.skip('derived from SECRET, which this user cannot read'), secrets: [] }
  if (kept.length === 0) return { finding: webhooks.ok('derived from SECRET, which the first start makes'), secrets: [] }
  return told(makeSigner(kept).defaultWebhookSecrets(), 'derived from SECRET')
}

function told(secrets: readonly string[], from: string): WebhookSecrets {
  return { finding: webhooks.ok(`${secrets.length}, ${from}`, '--show-webhook-secret prints it'), secrets }
}

/** Those that are kept in the data folder, where there are any; null: they cannot be read. */
async function keptSecrets(path: string): Promise<string[] | null> {
  try {
    return await readSecrets(path)
  } catch (error) {
    return isMissing(error) ? [] : null
  }
}
