import type { FastifyRequest } from 'fastify'
import { invalid } from '../domain/errors.ts'
import { checkRequest, type Fields, type JobRequest, type RequestLimits } from '../domain/request.ts'

/** How a client of OpenAI's interface, or of the provider's own, wants to be answered. */
export type AnswerMode =
  /** On the connection, when the pictures are there. */
  | { kind: 'held' }
  /** On the connection, as events. */
  | { kind: 'stream' }
  /** At once, with the id of the task. */
  | { kind: 'at_once' }

export type OpenAiRequest = { request: JobRequest; mode: AnswerMode /** With the pictures' bytes. */; base64: boolean }

/** What is about the answer and not the edit. None of it goes to the provider. */
const answerFields = new Set(['callback_url', 'async', 'stream', 'partial_images'])

function lastText(fields: Fields, name: string): string | null {
  const value = fields.get(name)?.at(-1)
  if (value === undefined || value.kind === 'file') return null
  const given = value.kind === 'text' ? value.text : value.value
  if (given === null || given === undefined || given === '') return null
  if (typeof given === 'string' || typeof given === 'number' || typeof given === 'boolean') return String(given)
  throw invalid(name, `${name} must not be an object or an array`)
}

function flag(fields: Fields, name: string): boolean {
  const given = lastText(fields, name)?.toLowerCase() ?? 'false'
  if (given !== 'true' && given !== 'false' && given !== '1' && given !== '0')
    throw invalid(name, `${name} must be true or false`)
  return given === 'true' || given === '1'
}

/** What is called as OpenAI's SDKs do, by a form or by `images` in JSON, is answered with bytes, unless URLs are asked for. */
function wantsBase64(fields: Fields, isForm: boolean): boolean {
  const format = lastText(fields, 'response_format')
  return format === 'b64_json' || (format !== 'url' && (isForm || fields.get('images')?.length === 0))
}

/**
 * Reads a request of OpenAI's or the provider's interface. Before there was `async`, clients were told to send the provider a
 * `callback_url` that only fills the place: such a one counts as `async`.
 * @throws ServiceError `invalid_request`, as for POST /jobs.
 */
export function checkOpenAiRequest(
  fields: Fields,
  raw: FastifyRequest,
  limits: RequestLimits,
  isPlaceholder: (callbackUrl: string) => boolean,
): OpenAiRequest {
  const base64 = wantsBase64(fields, /^multipart\//i.test(raw.headers['content-type'] ?? ''))
  const given = lastText(fields, 'callback_url')
  const isAsync = given !== null && isPlaceholder(given)
  const url = isAsync ? null : given
  const problem = url === null ? null : limits.webhookUrlProblem(url)
  if (problem !== null) throw invalid('callback_url', `callback_url ${problem}`)
  const ofEdit = [...fields].filter(([name, values]) => !answerFields.has(name) && values.length > 0)
  const request = checkRequest(new Map(ofEdit), limits)
  const atOnce = url !== null || isAsync || flag(fields, 'async')
  const mode: AnswerMode = { kind: atOnce ? 'at_once' : flag(fields, 'stream') ? 'stream' : 'held' }
  return { request: url === null ? request : { ...request, clientCallback: { url, base64 } }, mode, base64 }
}

/** Tells which callback URLs only fill the place of one: the provider's own page on its health, whatever it is that calls back. */
export function placeholderCallbacks(baseUrls: readonly string[]): (callbackUrl: string) => boolean {
  const pages = baseUrls.map(url => new URL(url)).flatMap(({ host, pathname }) => [`${host}/health`, `${host}${pathname}/health`])
  return callbackUrl => {
    const url = URL.parse(callbackUrl)
    return url !== null && pages.includes(`${url.host}${url.pathname}`)
  }
}
