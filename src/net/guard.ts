import type { LookupAddress } from 'node:dns'
import { lookup as lookupInSystem } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { Agent, buildConnector } from 'undici'

/** What may be dialled. */
export type DialPolicy = {
  /** Lets every address through, private ones included. What a URL may look like is checked all the same. */
  allowPrivate: boolean
  /** Origins (`http://127.0.0.1:4000`) that are allowed wherever they lead; another port of the same host is another origin. */
  allowedOrigins?: readonly string[]
  /** All the addresses of a host name, in the order to try them. The system's resolver where it is left out. */
  lookup?: (host: string) => Promise<readonly LookupAddress[]>
}

export type UrlCheck = { ok: true; url: URL } | { ok: false; reason: string }

const maxUrlLength = 4096
const connectTimeoutMs = 10_000
const idleTimeoutMs = 30_000

/** Completes a sentence that begins with the URL or the host. Names no address: a client could map our network by it. */
export const privateReason = 'is at a private address'

/** Names that resolvers answer from the machine or the local network, whatever the public DNS says. */
const localNames = ['localhost', 'localdomain', 'local', 'internal', 'home.arpa']

const globalUnicastV6 = ipaddr.parseCIDR('2000::/3')

/** In public space, yet answered by the cloud's own host: Azure's metadata and key server. */
const cloudHosts: readonly string[] = ['168.63.129.16']

/** A connection that was not made because the host is, or resolves to, an address that is not public. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused'
  readonly code = 'ADDRESS_REFUSED'
  readonly host: string

  /** `host` as the URL names it: the message is fit for a client, so what it resolved to stays out of it. */
  constructor(host: string) {
    super(`${host} ${privateReason}`)
    this.host = host
  }
}

/**
 * Whether `ip` is a plain public unicast address. Takes the spellings that node's own `isIP` takes; everything else is false,
 * as is an IPv6 address that wraps an IPv4 one for a gateway (NAT64, 6to4, Teredo): where that ends is the gateway's choice.
 * An IPv4-mapped one counts as the address in it, because the kernel dials that.
 */
export function isPublicAddress(ip: string): boolean {
  if (isIP(ip) === 0 || ip.includes('%')) return false
  const address = ipaddr.process(ip)
  if (address.range() !== 'unicast') return false
  // ipaddr.js calls all that it has no name for unicast, ::127.0.0.1 too.
  if (address instanceof ipaddr.IPv6) return address.match(globalUnicastV6)
  return !cloudHosts.includes(address.toString())
}

/** Whether a host is refused by its looks: a literal that is not public, or a name that never is. */
function isRefusedHost(host: string): boolean {
  if (isIP(host) !== 0) return !isPublicAddress(host)
  const name = host.toLowerCase().replace(/\.$/, '')
  return localNames.some(local => name === local || name.endsWith(`.${local}`))
}

/** The URL parser has turned every numeric spelling (`0x7f.1`, `2130706433`) into the plain one, and taken `%zone` for an error. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

function isAllowedOrigin(origin: string, policy: DialPolicy): boolean {
  return (policy.allowedOrigins ?? []).some(allowed => new URL(allowed).origin === origin)
}

/**
 * Judges a URL by its text alone, without resolving its host: http or https, no user or password, at most 4096 characters,
 * and no host that is private by its looks. `reason` completes a sentence that begins with the URL, and is fit for a client.
 * Dial `url`, not the text: parsers differ about odd texts, and `url` is what was judged.
 */
export function checkUrl(text: string, policy: DialPolicy): UrlCheck {
  if (text.length > maxUrlLength) return { ok: false, reason: `is longer than ${maxUrlLength} characters` }
  const url = URL.parse(text)
  if (url === null) return { ok: false, reason: 'is not a valid URL' }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return { ok: false, reason: 'is neither http nor https' }
  if (url.username !== '' || url.password !== '') return { ok: false, reason: 'holds a user name or a password' }
  const host = hostOf(url)
  // Some resolvers drop empty labels, so 127.0.0.1.. would pass as a name and arrive as an address.
  const hasEmptyLabel = isIP(host) === 0 && host.replace(/\.$/, '').split('.').includes('')
  if (hasEmptyLabel) return { ok: false, reason: 'has no valid host' }
  if (policy.allowPrivate || isAllowedOrigin(url.origin, policy)) return { ok: true, url }
  return isRefusedHost(host) ? { ok: false, reason: privateReason } : { ok: true, url }
}

/** The addresses of a host, or the error that says why there are none to dial. Never rejects. */
async function resolve(host: string, policy: DialPolicy, accepts: (ip: string) => boolean): Promise<LookupAddress[] | Error> {
  try {
    const answers = policy.lookup ? await policy.lookup(host) : await lookupInSystem(host, { all: true })
    if (answers.length === 0) return Object.assign(new Error(`${host} has no address`), { code: 'ENOTFOUND' })
    // One bad answer spoils all: the socket may try any of them.
    return answers.every(answer => accepts(answer.address)) ? [...answers] : new AddressRefused(host)
  } catch (error) {
    return error instanceof Error ? error : new Error(`${host} could not be resolved`, { cause: error })
  }
}

/**
 * The socket's own lookup, so that the addresses judged here are the ones that it dials: there is no second question to which
 * a hostile name server could give another answer.
 */
function lookupFor(policy: DialPolicy, accepts: (ip: string) => boolean): LookupFunction {
  const answer = async (...[host, options, callback]: Parameters<LookupFunction>): Promise<void> => {
    const found = await resolve(host, policy, accepts)
    if (found instanceof Error) callback(found, '')
    else if (options.all) callback(null, found)
    else callback(null, found[0]?.address ?? '', found[0]?.family)
  }
  return (host, options, callback) => void answer(host, options, callback)
}

/**
 * An undici agent that connects only where `policy` allows, checked on the connection itself; anything else fails with
 * AddressRefused. TLS is verified, HTTP/1.1 is spoken, and proxies named in the environment are not used. It gives up on a
 * connection after 10 s and on a silent server after 30 s. It follows no redirects. The caller closes it.
 *
 * A request's `signal` does nothing while its connection is being made: race the two where a deadline must hold.
 */
export function guardedAgent(policy: DialPolicy): Agent {
  // Said outright, so that NODE_TLS_REJECT_UNAUTHORIZED in the environment does not turn it off.
  const settings = { timeout: connectTimeoutMs, allowH2: false, rejectUnauthorized: true }
  const dialAnything = buildConnector({ ...settings, lookup: lookupFor(policy, () => true) })
  const dialPublic = buildConnector({ ...settings, lookup: lookupFor(policy, isPublicAddress) })
  return new Agent({
    headersTimeout: idleTimeoutMs,
    bodyTimeout: idleTimeoutMs,
    connect: (target, callback) => {
      const origin = URL.parse(`${target.protocol}//${target.host}`)?.origin
      if (policy.allowPrivate || (origin !== undefined && isAllowedOrigin(origin, policy))) dialAnything(target, callback)
      // A literal never comes to the lookup, so it is judged here.
      else if (isRefusedHost(target.hostname)) callback(new AddressRefused(target.hostname), null)
      else dialPublic(target, callback)
    },
  })
}
