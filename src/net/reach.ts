import { Agent, request } from 'undici'

const timeoutMs = 10_000
const maxAnswerBytes = 4_096

/**
 * Asks `/healthz` below a URL, and tells what is wrong where it is not this very process that answers; null where it is.
 * `instance` is what only this process knows to answer.
 */
export async function reachProblem(baseUrl: string, instance: string): Promise<string | null> {
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
    if (statusCode >= 300 && statusCode < 400)
      return `it answers with a redirect (HTTP ${statusCode}): use the address that it leads to`
    return statusCode === 200
      ? 'another service, or another instance of this one, answers there'
      : `HTTP ${statusCode} came from there`
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : error instanceof Error ? error.name : 'unknown'
    return `it could not be reached from here (${code})`
  } finally {
    await agent.destroy()
  }
}
