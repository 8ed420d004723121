/** One request as it goes over the wire, and what must come back. Texts are ASCII. */
export type Request = {
  /** With its body, where that is small. */
  head: string
  /** The name of a body that the generator was given before. */
  body?: string
  answer: Expected
}

export type Expected = {
  status: number
  /** How the answer's body begins: its first 64 characters are compared. */
  begins: string
  /** How long it is; undefined: any length is right. */
  bytes?: number
}

export type Load = {
  port: number
  connections: number
  requests: readonly Request[]
  /** How many are sent, the list again and again if need be. undefined: each once. */
  count?: number
  /** One is due every so often, whether or not those before it were answered. undefined: each connection as fast as it can. */
  everyMs?: number
  /** Goes on until it is told to stop, the list again and again. */
  untilStopped?: boolean
  /** Gives the answers' bodies back, in the order of the requests. */
  keepAnswers?: boolean
}

export type Measured = {
  requests: number
  durationMs: number
  /** From sending to the last byte of the answer, in order of size. Of a request that was due before a connection was free: from then. */
  latenciesMs: Float64Array
  /** In the order of the requests, as the latencies of `answers`; empty unless they were to be kept. */
  answers: readonly { text: string; latencyMs: number }[]
  /** How many answers had which status. */
  statuses: Readonly<Record<string, number>>
  /** The first answer that was not as it must be. */
  wrong: string | null
}

export type ToGenerator = { kind: 'keep'; name: string; body: Uint8Array } | { kind: 'run'; load: Load } | { kind: 'stop' }
export type FromGenerator =
  | { kind: 'ready' }
  | { kind: 'kept' }
  | { kind: 'measured'; measured: Measured }
  | { kind: 'failed'; message: string }

export const beginLength = 64

/** What must come back, from an answer that was seen to be right. */
export function expect(status: number, text: string): Expected {
  return { status, begins: text.slice(0, beginLength), bytes: Buffer.byteLength(text) }
}

export function getRequest(path: string, key: string): string {
  return `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\naccept: application/json\r\nauthorization: Bearer ${key}\r\n\r\n`
}

/** The head of a POST of JSON; the body, of so many bytes, follows it. */
export function postHead(path: string, bytes: number, key?: string): string {
  const authorization = key === undefined ? '' : `authorization: Bearer ${key}\r\n`
  return `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\n${authorization}content-type: application/json\r\ncontent-length: ${bytes}\r\n\r\n`
}
