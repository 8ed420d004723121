import { randomUUID } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import { Agent, request } from 'undici'
import type { Config } from '../config.ts'
import { isLoopback, localUrl } from '../net/local-url.ts'
import { leadsHere, reachProblem } from '../net/reach.ts'
import { codeOf, type Finding, findingsOf } from './finding.ts'

const service = findingsOf('service')
const publicUrl = findingsOf('PUBLIC_URL')
const provider = findingsOf('provider')

const answerWithinMs = 5_000

/**
 * Whether the service can be, or is, at HOST and PORT, and whether PUBLIC_URL leads there, and the provider's address does not.
 * @param isRunning it has the data folder; null: that is not known.
 */
export async function examineAddress(config: Config, isRunning: boolean | null): Promise<Finding[]> {
  if (isRunning === null)
    return [
      service.skip('not known whether it runs: its data folder is closed to this user'),
      await examinePublicUrl(config, null),
    ]
  if (isRunning) {
    const { finding, instance } = await examineRunning(config)
    return [finding, ...(await examineUrls(config, instance))]
  }
  const instance = randomUUID()
  try {
    const standIn = await listen(config, instance)
    try {
      const finding = service.ok(`does not run; ${addressOf(config)} is free`)
      return [finding, ...(await examineUrls(config, config.port === 0 ? null : instance))]
    } finally {
      standIn.closeAllConnections()
      await new Promise(resolve => standIn.close(resolve))
    }
  } catch (error) {
    return [service.fail(...listenWords(config, codeOf(error))), await examinePublicUrl(config, null)]
  }
}

function addressOf({ host, port }: Config): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

function listenWords(config: Config, code: string): [string, string] {
  const address = addressOf(config)
  if (code === 'EADDRINUSE') return [`${address} is taken by another program`, 'stop it, or set PORT']
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return [`this machine has no address ${config.host}`, 'set HOST to one of its own']
  return [`${address} cannot be listened on (${code})`, 'set HOST and PORT to what this user may use']
}

/** Stands in for the service: answers `GET /healthz` as it would, and puts off everything else. */
async function listen(config: Config, instance: string): Promise<Server> {
  const server = createServer(({ method, url }, response) => {
    if (method !== 'GET' || url !== '/healthz') {
      // A callback that comes now is kept by nobody: whoever sends it must not take it for delivered.
      response.writeHead(503, { 'retry-after': '30', connection: 'close' }).end()
      return
    }
    response.writeHead(200, { 'content-type': 'application/json', connection: 'close' })
    response.end(JSON.stringify({ status: 'ok', instance }))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(config.port, config.host, resolve)
  })
  return server
}

async function examineRunning(config: Config): Promise<{ finding: Finding; instance: string | null }> {
  if (config.port === 0)
    return { finding: service.skip('runs on this data folder, on a port that only it knows (PORT is 0)'), instance: null }
  const url = localUrl(config.host, config.port, '127.0.0.1')
  try {
    const health = await ask(`${url}/healthz`)
    const instance = typeof health['instance'] === 'string' ? health['instance'] : null
    if (instance === null) return { finding: service.fail(`another program answers at ${url}`, sameSettings), instance }
    return { finding: examineReady(url, await ask(`${url}/readyz`)), instance }
  } catch (error) {
    const finding = service.fail(`holds this data folder, but does not answer at ${url} (${codeOf(error)})`, sameSettings)
    return { finding, instance: null }
  }
}

const sameSettings = 'run the doctor where the service runs, with the same settings; if it hangs, restart it'

function examineReady(url: string, ready: Readonly<Record<string, unknown>>): Finding {
  if (ready['status'] !== 'ready') return service.fail(`runs at ${url}, but is not ready`, 'look at its log')
  const paused = /^paused until [\dT:.Z-]+/.exec(String(ready['submitting']))
  if (paused !== null)
    return service.warn(`runs at ${url}; submitting is ${paused[0]}`, 'the provider refuses the account: see below')
  return service.ok(`runs at ${url}, and is ready`)
}

/** An answer's JSON object, whatever its status. */
async function ask(url: string): Promise<Readonly<Record<string, unknown>>> {
  const agent = new Agent({ connect: { timeout: answerWithinMs } })
  try {
    const { body } = await request(url, { dispatcher: agent, signal: AbortSignal.timeout(answerWithinMs) })
    const value: unknown = await body.json()
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } finally {
    await agent.destroy()
  }
}

/** @param instance what answers at our own address says; null: not known. */
async function examineUrls(config: Config, instance: string | null): Promise<Finding[]> {
  const findings = [await examinePublicUrl(config, instance)]
  if (config.provider === 'sandbox' || instance === null || (await leadsHere(config.providerBaseUrl, instance)) !== true)
    return findings
  const seen = 'PROVIDER_BASE_URL leads back to this very service, which does not start so'
  return [...findings, provider.fail(seen, 'set it to the address of the provider')]
}

/** @param instance as above. */
async function examinePublicUrl(config: Config, instance: string | null): Promise<Finding> {
  const url = config.publicUrl
  if (url === null) {
    if (config.provider === 'sandbox') return publicUrl.ok('not set: the sandbox calls back on this machine')
    return publicUrl.ok(
      `not set: poll mode, results are asked for every ${config.pollEveryS} s`,
      'set it to be called back, which is sooner',
    )
  }
  if (instance === null) return publicUrl.skip('not tried: it is not known who would have to answer there')
  const problem = await reachProblem(url, instance)
  const { protocol, hostname } = new URL(url)
  // Nobody reaches a loopback address better than this machine does.
  if (problem?.kind === 'unreachable' && !isLoopback(hostname))
    return publicUrl.warn(`not seen from this machine: ${problem.text}`, unseenWords(config))
  if (problem !== null)
    return publicUrl.fail(`does not lead here: ${problem.text}`, 'look at DNS, the proxy, the firewall; callbacks get lost there')
  if (isLoopback(hostname))
    return publicUrl.warn('leads here, but from this machine only', 'set an address that the provider can reach')
  if (protocol === 'http:') return publicUrl.warn('leads here, but unencrypted', 'put it behind https')
  return publicUrl.ok('leads here, as seen from this machine')
}

/** A machine that cannot reach its own public address is common (no hairpin NAT, another DNS inside), and says nothing about others. */
function unseenWords({ providerTasksPath }: Config): string {
  const meanwhile =
    providerTasksPath === ''
      ? 'if not, no result arrives: PROVIDER_TASKS_PATH is empty, so none is asked for'
      : 'if not, callbacks get lost, and results are asked for instead'
  return `it may be right from outside: try its /healthz from there; ${meanwhile}`
}
