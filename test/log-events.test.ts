import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')
const source = join(root, 'src')
/** The sandbox logs for itself, and the dashboard in browsers. */
const apart = /^(?:sandbox|dashboard)\//

/** The arguments of a call, from its opening bracket to the one that closes it. */
function callFrom(text: string, open: number): string {
  let depth = 0
  for (let at = open; at < text.length; at += 1) {
    if (text[at] === '(') depth += 1
    if (text[at] === ')') depth -= 1
    if (depth === 0) return text.slice(open, at)
  }
  throw new Error(`a call that does not end: ${text.slice(open, open + 80)}`)
}

type Logged = { level: string; event: string }

/** What the code logs, by level; `*` stands for a part that is only known when it runs. */
function logged(): Logged[] {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(
    name => name.endsWith('.ts') && !apart.test(name.replaceAll('\\', '/')),
  )
  return files.flatMap(name => {
    const text = readFileSync(join(source, name), 'utf8')
    return [...text.matchAll(/\blog\.(info|warn|error|fatal|debug)\(/g)].flatMap(call => {
      const inside = callFrom(text, call.index + call[0].length - 1)
      const texts = [...inside.matchAll(/['`]([a-z_]+\.(?:[a-z_]|\$\{\w+\})+)['`]/g)]
      return texts.map(([, event = '']) => ({ level: call[1] ?? '', event: event.replace(/\$\{\w+\}/, '*') }))
    })
  })
}

/** The rows of the page's table: each event with its level. */
function documented(): Logged[] {
  const page = readFileSync(join(root, 'docs', 'operations.md'), 'utf8')
  const [, section = ''] = page.split('\n## Log lines\n')
  const rows = [...(section.split('\n## ', 1)[0] ?? '').matchAll(/^\| (`[^|]+`) \| (\w+) \|/gm)]
  return rows.flatMap(([, names = '', level = '']) =>
    [...names.matchAll(/`([^`]+)`/g)].map(([, event = '']) => ({ level, event })),
  )
}

const covers = (code: Logged, row: Logged): boolean =>
  code.level === row.level && (code.event === row.event || new RegExp(`^${code.event.replace('*', '[a-z]+')}$`).test(row.event))

test('every line that is logged stands in the table of docs/operations.md with its level, and no other does', () => {
  const code = logged()
  const rows = documented()
  expect(code.length).toBeGreaterThan(40)
  expect(code.filter(one => !rows.some(row => covers(one, row)))).toEqual([])
  expect(rows.filter(row => !code.some(one => covers(one, row)))).toEqual([])
})
