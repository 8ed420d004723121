import type { LiftAs } from '../../src/files/lift.ts'

/** What a body says, in a form that can be compared: objects as lists, since a key may be `__proto__`. */
export type Canonical =
  | { picture: string }
  | { list: Canonical[] }
  | { object: [string, Canonical][] }
  | string
  | number
  | boolean
  | null

/** `replace` says what a string stands for; `path` is the keys that enclose it. */
export function canonical(value: unknown, replace: (text: string, path: string[]) => Canonical, path: string[] = []): Canonical {
  if (typeof value === 'string') return replace(value, path)
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value
  if (Array.isArray(value)) return { list: value.map(inner => canonical(inner, replace, path)) }
  if (typeof value !== 'object') throw new TypeError('not a value of JSON')
  return { object: Object.entries(value).map(([key, inner]) => [key, canonical(inner, replace, [...path, key])]) }
}

/** The body read all at once with JSON.parse, each picture decoded from the whole string; null where any of it is malformed. */
export function readAtOnce(body: Buffer, select: (path: readonly string[]) => LiftAs): Canonical | null {
  try {
    return canonical(JSON.parse(body.toString().replace(/^\ufeff/, '')), (text, path) => readString(text, select(path)))
  } catch {
    return null
  }
}

function readString(text: string, liftAs: LiftAs): Canonical {
  if (liftAs === null) return text
  const isDataUrl = /^data:/i.test(text)
  if (liftAs === 'base64' || (liftAs === 'either' && !isDataUrl)) return readBase64(text)
  const header = /^data:([^,]*?); *base64,/i.exec(text)
  if (header === null || header[0].length > 257) return text
  return readBase64(text.slice(header[0].length))
}

function readBase64(text: string): Canonical {
  const letters = text.replaceAll(/[ \t\n\f\r]/g, '')
  if (!/^(?:[\w+/-]{4})*(?:[\w+/-]{2}(?:==)?|[\w+/-]{3}=?)?$/.test(letters)) throw new TypeError('not base64')
  return letters === '' ? '' : { picture: Buffer.from(letters, 'base64').toString('hex') }
}
