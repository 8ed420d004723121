import { Agent, type Dispatcher, request } from 'undici'
import { type ProviderError, parseError } from '../domain/result.ts'
import { unlessAborted } from './abort.ts'
import { joinUrl } from './url.ts'

export type ProbeAnswer = {
  status: number
  /** Its body was JSON. */
  isJson: boolean
  error: ProviderError | null
  /** How far this machine's clock is ahead of the provider's, to half a second and half of `ms`; null: its answer names no time. */
  clockAheadMs: number | null
  /** From the question to the answer. */
  ms: number
}

export type ProbeOutcome = { kind: 'answered'; answer: ProbeAnswer } | { kind: 'unreachable'; code: string }

export type ProbeOptions = {
  baseUrl: string
  /** '': only whether something answers is found out. */
  tasksPath: string
  apiKey: string
  now: () => number
}

const timeoutMs = 15_000
const maxAnswerBytes = 65_536
/** No task has it: an answer to this costs nothing and holds nothing. */
const unknownTaskId = '00000000-0000-4000-8000-000000000000'

/** Asks the provider for a task that there is not, which is free, to see whether it can be reached and takes the key. */
export async function probeProvider(options: ProbeOptions): Promise<ProbeOutcome> {
  const agent = new Agent({ connect: { timeout: 10_000, rejectUnauthorized: true }, allowH2: false })
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    const askedAt = options.now()
    const response = await unlessAborted(ask(options, agent, signal), signal)
    const ms = options.now() - askedAt
    const body = parseJson(await readStart(response.body))
    const answer = {
      status: response.statusCode,
      isJson: body !== undefined,
      error: parseError(body),
      clockAheadMs: clockAhead(response.headers['date'], askedAt + ms / 2),
      ms,
    }
    return { kind: 'answered', answer }
  } catch (error) {
    return { kind: 'unreachable', code: codeOf(error) }
  } finally {
    await agent.destroy()
  }
}

function ask(options: ProbeOptions, dispatcher: Dispatcher, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
  if (options.tasksPath === '') return request(options.baseUrl, { dispatcher, signal })
  return request(joinUrl(options.baseUrl, options.tasksPath), {
    dispatcher,
    signal,
    method: 'POST',
    headers: { authorization: `Bearer ${options.apiKey}`, 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ action: 'retrieve', id: unknownTaskId }),
  })
}

async function readStart(body: Dispatcher.ResponseData['body']): Promise<string> {
  let text = ''
  for await (const chunk of body) {
    text += String(chunk)
    if (text.length > maxAnswerBytes) break
  }
  return text
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A `Date` header names the second that had begun: the middle of it is the best guess. */
function clockAhead(header: unknown, now: number): number | null {
  const at = typeof header === 'string' ? Date.parse(header) : Number.NaN
  return Number.isNaN(at) ? null : Math.round(now - (at + 500))
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
