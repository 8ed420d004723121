/** Where a listener is reached on its own machine, one that listens on every address too. `name`: what this machine is called then. */
export function localUrl(host: string, port: number, name: string): string {
  const isAnyOfOurs = host === '0.0.0.0' || host === '::' || host === '127.0.0.1'
  const shown = isAnyOfOurs ? name : host.includes(':') ? `[${host}]` : host
  return `http://${shown}:${port}`
}

/** Whether a host, as it stands in a setting or a URL, is this machine and nobody else's. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '')
  return name === 'localhost' || name === '::1' || name.startsWith('127.')
}
