import { Agent, request } from 'undici'

const usualTimeoutMs = 10_000
const maxAnswerBytes = 4_096

export type ReachProblem = {
  /** `unreachable`: nobody answered, which may be so from this machine alone. `wrong`: what answered is not this process. */
  kind: 'unreachable' | 'wrong'
  text: string
}

/**
 * Asks `/healthz` below a URL, and tells what is wrong where it is not this very process that answers; null where it is.
 * `instance` is what only this process knows to answer.
 */
export async function reachProblem(baseUrl: string, instance: string, timeoutMs = usualTimeoutMs): Promise<ReachProblem | null> {
  const agent = new Agent({ connect: { timeout: timeoutMs }, headersTimeout: timeoutMs, bodyTimeout: timeoutMs })
  try {
    const { statusCode, body } = await request(`${baseUrl}/healthz`, {
      dispatcher: agent,
      signal: AbortSignal.timeout(timeoutMs),
    })
    let text = ''
    for await (const chunk of body) {
      text += String(chunk)
      if (text.length > maxAnswerBytes) break
    }
    if (text.includes(instance)) return null
    return { kind: 'wrong', text: answerWords(statusCode) }
  } catch (error) {
    const code = codeOf(error)
    return { kind: noAnswerCodes.has(code) ? 'unreachable' : 'wrong', text: `it could not be reached from here (${code})` }
  } finally {
    await agent.destroy()
  }
}

/** A URL, and each that it lies below: our own address may be any of them. */
function withParents(url: string): string[] {
  const { origin, pathname } = new URL(url)
  const parts = pathname.split('/').filter(part => part !== '')
  return Array.from({ length: parts.length + 1 }, (_, index) => [origin, ...parts.slice(0, index)].join('/'))
}

/**
 * Whether what is asked below a URL comes to this very process, through a proxy too; null: not known, because nobody answers there.
 * `instance` as above.
 */
export async function leadsHere(url: string, instance: string, timeoutMs = usualTimeoutMs): Promise<boolean | null> {
  const problems = await Promise.all(withParents(url).map(one => reachProblem(one, instance, timeoutMs)))
  if (problems.includes(null)) return true
  return problems.some(problem => problem?.kind === 'wrong') ? false : null
}

/** What a machine sees that cannot reach its own public address. A bad certificate or a broken answer is not among them: others see it too. */
const noAnswerCodes: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'TimeoutError',
  'ENOTFOUND',
  'EAI_AGAIN',
])

function answerWords(statusCode: number): string {
  if (statusCode >= 300 && statusCode < 400)
    return `it answers with a redirect (HTTP ${statusCode}): use the address that it leads to`
  return statusCode === 200
    ? 'another service, or another instance of this one, answers there'
    : `HTTP ${statusCode} came from there`
}

/** The code of an error of the connection, or its name: an expired time limit has a number for a code. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
