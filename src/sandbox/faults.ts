/** Every fault that the sandbox can be asked for, with what it does: also the help text of `GET /`. */
export const faultHelp = {
  lost: 'no callback is sent; the task record still has the result',
  doubled: 'the callback is sent twice, both at the same time',
  late: 'the result takes five times as long',
  early: "the callback is sent and answered before the submit's own answer",
  slow: 'the callback body trickles in over several seconds',
  malformed: 'the callback body is JSON that was cut off',
  failed: 'accepted, then the result is a failure (api_error)',
  'string-error': 'accepted, then the result is a failure whose error is a bare string',
  moderation: 'refused: 403 forbidden',
  used_up: 'refused: 403 used_up',
  '413': 'refused: 413 with HTML, as a web server refuses a body that is too large',
  bad_key: 'refused: 401 invalid_token',
  redirect: 'refused: 302 to another path',
  '429': 'refused: 429 too_many_requests, Retry-After: 1; in a prompt only its first two submits',
  '500': 'refused: 500 api_error; in a prompt only its first two submits',
  'always-429': 'refused: 429 too_many_requests, every time',
  'always-500': 'refused: 500 api_error, every time',
  hang: 'accepted and run, but the submit is never answered',
  reset: 'accepted and run, but the connection is reset without an answer',
  '502': 'accepted and run, but answered 502 with HTML',
  timeout: 'accepted and run, but answered 504 timeout',
  '503': 'accepted and run, but answered 503 api_error with JSON',
  '503-used_up': 'not run, and answered 503 used_up with JSON',
  '429-taken': 'accepted and run, but answered 429 too_many_requests with JSON that names the task_id',
  'bare-record': 'the task record does not repeat the callback_url',
  'own-trace': 'the trace_id that was sent is ignored, and not in the task record',
  'old-record': 'the task record has `duration` for `elapsed`, and its times as ISO texts',
  usage: 'the result reports usage (tokens) and a cost of 0.37 credits',
  garbage: 'accepted and run, but answered 200 with HTML',
  inline: 'the submit is answered with the whole result; no callback, though one was asked for',
  empty: 'accepted, but never finished: no callback, the record stays running',
  b64: 'the result carries b64_json, whatever the model',
  'bad-item': 'the result has one item more, whose b64_json is an error in JSON',
  '404-first': "the picture's URL answers 404 to its first two downloads",
  '403-first': "the picture's URL answers 403 to its first two downloads",
  '202-first': "the picture's URL answers 202 to its first two downloads",
  '404-picture': "the picture's URL answers 404, every time",
  'html-picture': 'an HTML page in the place of the picture, with a 200 or as b64_json',
  'json-picture': 'an error in JSON in the place of the picture, with a 200 or as b64_json',
  'empty-picture': 'nothing in the place of the picture, with a 200 or as b64_json',
  'odd-picture': 'a picture of a kind that is not known, called an image, or as b64_json',
  'trickle-picture': 'the picture comes from its URL at a byte a second',
  'gzip-picture': 'the picture comes from its URL packed with gzip, which was not asked for',
  'odd-encoding': 'the picture comes from its URL with a content-encoding that encodes nothing (utf-8)',
} as const

export type FaultName = keyof typeof faultHelp

/** A fault and how likely it befalls a submit, 0 to 1. */
export type Fault = { readonly name: FaultName; readonly probability: number }

/** How often a prompt that names `429` or `500` is refused before it is accepted. */
const refusalsPerPrompt = 2
const rememberedPrompts = 1000

function isFaultName(name: string): name is FaultName {
  return Object.hasOwn(faultHelp, name)
}

export const faultNames: readonly FaultName[] = Object.keys(faultHelp).filter(isFaultName)

/**
 * Reads SANDBOX_FAULTS: names with commas between, each optionally `name:probability`, like `lost:0.5,doubled`.
 * @throws Error that lists the valid names, where one is unknown or a probability is not from 0 to 1.
 */
export function parseFaults(text: string): Fault[] {
  return text
    .split(',')
    .map(word => word.trim())
    .filter(word => word !== '')
    .map(parseFault)
}

/** What is wrong with SANDBOX_FAULTS, without its text; null: nothing. */
export function faultsProblem(text: string): string | null {
  try {
    parseFaults(text)
    return null
  } catch {
    return `SANDBOX_FAULTS must be name or name:probability (0 to 1), with commas between; the names are ${faultNames.join(', ')}`
  }
}

function parseFault(word: string): Fault {
  const [name = '', probability = '1', ...more] = word.split(':')
  if (!isFaultName(name)) throw new Error(`"${name}" is no fault of the sandbox; it has ${faultNames.join(', ')}`)
  if (more.length > 0 || !/^(0|1|[01]?\.\d+)$/.test(probability) || Number(probability) > 1) {
    throw new Error(
      `the fault "${name}" takes a probability from 0 to 1, like ${name}:0.5; valid faults are ${faultNames.join(', ')}`,
    )
  }
  return { name, probability: Number(probability) }
}

/** The faults that a prompt asks for, by words such as `fault:lost`. Unknown ones are the user's own words. */
export function faultsInPrompt(prompt: string): FaultName[] {
  return [...prompt.matchAll(/\bfault:([a-z0-9]+(?:[-_][a-z0-9]+)*)/gi)]
    .map(match => (match[1] ?? '').toLowerCase())
    .filter(isFaultName)
}

/** Decides, for each submit, which faults befall it. */
export function createFaultChooser(
  settings: readonly (Fault | FaultName)[],
  random: () => number,
): (prompt: string) => ReadonlySet<FaultName> {
  const standing = settings.map(fault => (typeof fault === 'string' ? { name: fault, probability: 1 } : fault))
  const refusals = new Map<string, number>()

  function isDue(name: FaultName, prompt: string): boolean {
    if (name !== '429' && name !== '500') return true
    const key = `${name} ${prompt}`
    const before = refusals.get(key) ?? 0
    if (before >= refusalsPerPrompt) return false
    refusals.set(key, before + 1)
    const [oldest] = refusals.keys()
    if (refusals.size > rememberedPrompts && oldest !== undefined) refusals.delete(oldest)
    return true
  }

  return prompt => {
    const drawn = standing.filter(fault => random() < fault.probability).map(fault => fault.name)
    return new Set([...drawn, ...faultsInPrompt(prompt).filter(name => isDue(name, prompt))])
  }
}
