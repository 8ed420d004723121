import * as fc from 'fast-check'

/** Chance that a seed decides, so that a failure can be shown again. */
export type Chance = (choices: number) => number

export function chanceOf(seed: number): Chance {
  let state = seed | 0
  return choices => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % choices
  }
}

const spaces = ['', '', '', ' ', '\n', '\t ', '\r\n']
const shortEscapes: Record<string, string> = {
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '"': '\\"',
  '\\': '\\\\',
}

/** JSON that says `value`, in one of its many spellings: escapes and white space as chance has it. */
export function spell(value: unknown, chance: Chance): string {
  const space = (): string => spaces[chance(spaces.length)] ?? ''
  const style = chance(4)
  const string = (text: string): string =>
    `"${text
      .split('')
      .map(unit => spellUnit(unit, style, chance))
      .join('')}"`
  const any = (inner: unknown): string => {
    if (typeof inner === 'string') return string(inner)
    if (Array.isArray(inner)) return `[${space()}${inner.map(any).join(`${space()},${space()}`)}${space()}]`
    if (typeof inner !== 'object' || inner === null) return JSON.stringify(inner)
    const members = Object.entries(inner).map(([key, member]) => `${string(key)}${space()}:${space()}${any(member)}`)
    return `{${space()}${members.join(`${space()},${space()}`)}${space()}}`
  }
  return `${chance(5) === 0 ? '\ufeff' : ''}${space()}${any(value)}${space()}`
}

/** Style 0 escapes what must be, 1 slashes too, 2 now and then anything, 3 everything. */
function spellUnit(unit: string, style: number, chance: Chance): string {
  const code = unit.charCodeAt(0)
  if (style === 3 || (style === 2 && chance(8) === 0) || (code >= 0xd800 && code < 0xe000)) {
    const digits = code.toString(16).padStart(4, '0')
    return `\\u${chance(2) === 0 ? digits : digits.toUpperCase()}`
  }
  if (unit === '/' && style > 0) return '\\/'
  return shortEscapes[unit] ?? (code < 0x20 ? `\\u${code.toString(16).padStart(4, '0')}` : unit)
}

const base64 = fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.nat(), fc.nat(3)).map(([bytes, seed, style]) => {
  const chance = chanceOf(seed)
  const text = Buffer.from(bytes).toString(style === 1 ? 'base64url' : 'base64')
  if (style !== 2) return text
  const spaced = text.split('').map(letter => (chance(6) === 0 ? `${' \t\n\r\f'[chance(5)] ?? ''}${letter}` : letter))
  return `${spaced.join('')}${' \n'.slice(chance(3))}`
})
const header = fc.constantFrom('data:image/png;base64,', 'DATA:;BASE64,', 'data:é;x=1; base64,')
const dataUrl = fc.tuple(header, base64).map(([begins, rest]) => begins + rest)
const nearly = fc.tuple(fc.constantFrom('data:text/plain,', 'data:', 'dat', ',', '=', `data:${'x'.repeat(260)};base64,`), base64)
const text = fc.oneof(
  base64,
  dataUrl,
  nearly.map(([begins, rest]) => begins + rest),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('', '"b64_json":"QQ=="', 'https://example.com/a.png', 'QQ=', 'Q', 'QQ==QQ==', '====', '\\'),
)
const key = fc.oneof(fc.constantFrom('b64_json', 'image', 'either', 'url', '__proto__', ''), fc.string({ maxLength: 5 }))

const picture = fc.oneof(
  fc.tuple(fc.constantFrom('b64_json', 'either'), base64),
  fc.tuple(fc.constantFrom('image', 'either'), dataUrl),
  fc.tuple(fc.constant('image'), fc.oneof(text, fc.array(dataUrl, { maxLength: 3 }))),
)

/** Any value of JSON, with strings that are pictures, or nearly, under keys that name them, or don't. */
export const anyValue = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    text,
    fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null)),
    fc.array(tie('value'), { maxLength: 4 }),
    { arbitrary: fc.array(fc.oneof(picture, fc.tuple(key, tie('value'))), { maxLength: 5 }).map(Object.fromEntries), weight: 4 },
  ),
})).value

/** Cuts a body into chunks of lengths that chance has, some of them empty, some of one byte. */
export function cut(body: Buffer, seed: number): Buffer[] {
  const chance = chanceOf(seed)
  const longest = [1, 2, 7, 100, 100_000][chance(5)] ?? 1
  const chunks: Buffer[] = []
  for (let at = 0; at < body.length; ) {
    const next = at + chance(longest + 1)
    chunks.push(body.subarray(at, next))
    at = Math.min(next, body.length)
  }
  return chunks
}
