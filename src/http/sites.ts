import { isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'

/** A name may lead anywhere, to us too, and its page would then be of our own origin (DNS rebinding); an address is what it is. */
function isAddress({ hostname }: URL): boolean {
  return hostname === 'localhost' || isIP(hostname.replace(/^\[|\]$/g, '')) !== 0
}

/** A proxy that is trusted serves the names that it was set up for. */
function isToldByProxy(request: FastifyRequest): boolean {
  return request.host !== request.headers.host
}

/**
 * Whether a browser sends this for a page that is not ours. Programs send neither header; pages can't leave them out.
 * @param ownOrigin what our URLs begin with: behind a proxy, Host may be another one.
 */
export function isFromAnotherSite(request: FastifyRequest, ownOrigin: string): boolean {
  const { origin, 'sec-fetch-site': site } = request.headers
  if (site === 'cross-site' || site === 'same-site') return true
  if (origin === undefined) return false
  // `null`, as from a sandboxed frame, is no URL: it may be anybody's.
  const page = URL.parse(origin)
  if (page === null) return true
  // Whether it came to us over TLS is not to be seen behind a proxy.
  const asked = /^https?:$/.test(page.protocol) ? URL.parse(`${page.protocol}//${request.host}`) : null
  const isAsked = asked !== null && page.origin === asked.origin && (isAddress(asked) || isToldByProxy(request))
  return page.origin !== ownOrigin && !isAsked
}
