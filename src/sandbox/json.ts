import { createReadStream } from 'node:fs'

/** Stands, in a value to be encoded, for a file's content as a base64 string: the file is read only while it is sent. */
export class Base64Of {
  readonly path: string
  readonly sizeBytes: number

  constructor(path: string, sizeBytes: number) {
    this.path = path
    this.sizeBytes = sizeBytes
  }
}

/** Stands, in a value to be encoded, for JSON that is text already. */
export class JsonText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** JSON, encoded but for the files in it. */
export type Segments = readonly (string | Base64Of)[]

/** Encodes a value; as `JSON.stringify`, but for `Base64Of` and `JsonText`. Meant for values of our own, which are not deep. */
export function encodeJson(value: unknown): Segments {
  const segments: (string | Base64Of)[] = []
  let text = ''
  for (const part of partsOf(value)) {
    if (typeof part === 'string') text += part
    else {
      segments.push(text, part)
      text = ''
    }
  }
  return [...segments, text]
}

function* partsOf(value: unknown): Generator<string | Base64Of, void, undefined> {
  if (value instanceof JsonText) yield value.text
  else if (value instanceof Base64Of) {
    yield '"'
    yield value
    yield '"'
  } else if (Array.isArray(value)) {
    yield '['
    for (const [index, item] of value.entries()) {
      if (index > 0) yield ','
      yield* partsOf(item)
    }
    yield ']'
  } else if (typeof value === 'object' && value !== null) {
    const present = Object.entries(value).filter(([, item]) => item !== undefined)
    yield '{'
    for (const [index, [key, item]] of present.entries()) {
      yield `${index > 0 ? ',' : ''}${JSON.stringify(key)}:`
      yield* partsOf(item)
    }
    yield '}'
  } else yield JSON.stringify(value)
}

/** Escapes `/` as `\/`, as some JSON encoders do. Outside of strings JSON has no `/`, so this holds for any part of a text. */
export function escapeSlashes(text: string): string {
  return text.replaceAll('/', '\\/')
}

/** How long the text is, before slashes are escaped. */
export function lengthOf(segments: Segments): number {
  return segments.reduce((sum, part) => sum + (typeof part === 'string' ? part.length : Math.ceil(part.sizeBytes / 3) * 4), 0)
}

/** The text, piece by piece: a file in it is never whole in memory. */
export async function* textOf(segments: Segments): AsyncGenerator<string, void, undefined> {
  for (const part of segments) {
    if (typeof part === 'string') yield part
    else yield* base64Of(part.path)
  }
}

async function* base64Of(path: string): AsyncGenerator<string, void, undefined> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of createReadStream(path)) {
    const bytes: Buffer = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    // Base64 is written in groups of three bytes: what is over waits for the next chunk.
    const whole = bytes.length - (bytes.length % 3)
    yield bytes.toString('base64', 0, whole)
    rest = bytes.subarray(whole)
  }
  yield rest.toString('base64')
}
