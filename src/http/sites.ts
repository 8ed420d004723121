import type { FastifyRequest } from 'fastify'

const otherSites: readonly unknown[] = ['cross-site', 'same-site']

/**
 * Whether a browser sends this for a page that is not ours. Programs send neither header; pages can't leave them out.
 * @param ownOrigin what our URLs begin with: behind a proxy, Host may be another one.
 */
export function isFromAnotherSite(request: FastifyRequest, ownOrigin: string): boolean {
  const { origin, 'sec-fetch-site': site } = request.headers
  if (otherSites.includes(site)) return true
  if (origin === undefined) return false
  // `null`, as from a sandboxed frame, is no URL: it may be anybody's.
  const page = URL.parse(origin)
  if (page === null) return true
  // Whether it came to us over TLS is not to be seen behind a proxy.
  const asked = /^https?:$/.test(page.protocol) ? URL.parse(`${page.protocol}//${request.host}`) : null
  return page.origin !== ownOrigin && page.origin !== asked?.origin
}
