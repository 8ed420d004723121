import { readdirSync, readFileSync } from 'node:fs'
import { join, posix, relative } from 'node:path'
import { describe, expect, test } from 'vitest'

/*
 * Imports point down only. Each floor may use those above it in this list; rooms on the same floor do not know each other.
 * A room is a folder of src, or a file that lies in src itself.
 */
const floors: readonly (readonly string[])[] = [
  ['domain'],
  ['net', 'files', 'clock.ts', 'config.ts'],
  ['store', 'provider', 'webhook', 'metrics'],
  ['steps', 'doctor'],
  ['http'],
  ['wire'],
  ['wire.ts'],
  // The programs: each reads the environment once, for config.ts to check.
  ['run.ts', 'backup.ts', 'doctor.ts'],
  ['main.ts'],
]
/**
 * A provider of its own, and plain files for browsers: they use no other room. What starts the service uses them, and what
 * looks whether it can start.
 */
const apart = ['sandbox', 'dashboard']
const usersOfThose = ['wire', 'wire.ts', 'doctor.ts']
const readersOfTheEnvironment = ['config.ts', 'run.ts', 'main.ts', 'backup.ts', 'doctor.ts', 'sandbox/main.ts']

type SourceFile = { path: string; text: string }

const source = join(import.meta.dirname, '..', 'src')
const sourceFiles: SourceFile[] = readdirSync(source, { recursive: true, withFileTypes: true })
  .filter(entry => entry.isFile() && /\.[cm]?[jt]s$/.test(entry.name))
  .map(entry => join(entry.parentPath, entry.name))
  .map(path => ({ path: relative(source, path).replaceAll('\\', '/'), text: readFileSync(path, 'utf8') }))

const comment = String.raw`\/\*[\s\S]*?\*\/|\/\/[^\n]*`
const quoted = String.raw`'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|` + '`(?:\\\\.|[^`\\\\])*`'
/** A slash begins a pattern only where no value stands before it; elsewhere it divides. */
const pattern = String.raw`(?<=(?:[(,=:[!&|?{};>]|\breturn|^)\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/`
const tokens = new RegExp(`${comment}|${quoted}|${pattern}`, 'g')

/** The text without its comments; what looks like one within quotes, or in a pattern, stays. */
function withoutComments(text: string): string {
  return text.replaceAll(tokens, found => (found.startsWith('//') || found.startsWith('/*') ? ' ' : found))
}

const imports = [
  // import … from '…', export … from '…'
  /\b(?:import|export)\b[^'"`;()]*?\bfrom\s*(['"])(?<name>[^'"\n]+)\1/g,
  // import '…'
  /\bimport\s*(['"])(?<name>[^'"\n]+)\1/g,
  // import('…'), require('…')
  /\b(?:import|require|createRequire)\s*\(\s*(['"`])(?<name>[^'"`\n]+)\1/g,
  // new URL('…', import.meta.url), as a worker is found
  /\bnew URL\(\s*(['"`])(?<name>[^'"`\n]+)\1\s*,\s*import\.meta/g,
]
/** An import whose target is only known when it runs. */
const hiddenImport = /\b(?:import|require)\s*\(\s*(?!['"`\s])/

function importsOf({ text }: SourceFile): string[] {
  const code = withoutComments(text)
  return imports.flatMap(form => [...code.matchAll(form)].map(match => match.groups?.['name'] ?? ''))
}

const roomOf = (path: string): string => path.split('/')[0] ?? path
const floorOf = (room: string): number => floors.findIndex(rooms => rooms.includes(room))

function mayUse(from: string, to: string): boolean {
  if (from === to) return true
  if (apart.includes(from)) return false
  if (apart.includes(to)) return usersOfThose.includes(from)
  return floorOf(to) >= 0 && floorOf(to) < floorOf(from)
}

/** What a file imports that it must not, a line each. */
function forbiddenImports(file: SourceFile): string[] {
  const from = roomOf(file.path)
  const bad = importsOf(file).filter(name => {
    if (!name.startsWith('.')) return from === 'domain' && name !== 'node:crypto'
    const target = posix.join(posix.dirname(file.path), name)
    // Outside of src lies nothing that is code of ours.
    return target.startsWith('..') ? !name.endsWith('.json') : !mayUse(from, roomOf(target))
  })
  const hidden = hiddenImport.test(withoutComments(file.text)) ? ['something that only shows when it runs'] : []
  return [...bad, ...hidden].map(name => `${file.path} imports ${name}`)
}

const environment =
  /\bprocess\s*(?:\?\.|\.)\s*env\b|\bprocess\s*\[|\{[^{}]*\benv\b[^{}]*\}\s*=\s*process\b|\{[^{}]*\benv\b[^{}]*\}\s*from\s*['"](?:node:)?process['"]/

const readsEnvironment = (file: SourceFile): boolean => environment.test(withoutComments(file.text))

/** What reads time, chance, or the world outside. */
const outside =
  /\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b|\bset(?:Timeout|Interval|Immediate)\b|\bprocess\.|\bfetch\s*\(|\bperformance\./

const inSource = (path: string): boolean => sourceFiles.some(file => file.path === path)

describe('the sources', () => {
  test('are found, all of them in rooms that have a floor', () => {
    for (const path of ['main.ts', 'domain/job.ts', 'store/sqlite.ts', 'sandbox/main.ts']) expect(inSource(path)).toBe(true)
    const rooms = new Set(sourceFiles.map(file => roomOf(file.path)))
    expect([...rooms].filter(room => floorOf(room) < 0 && !apart.includes(room))).toEqual([])
  })

  test('import downwards only', () => {
    expect(sourceFiles.flatMap(forbiddenImports)).toEqual([])
  })

  test('do import: this test sees what is there', () => {
    const wire = sourceFiles.find(file => file.path === 'wire.ts')
    expect(wire === undefined ? [] : importsOf(wire)).toEqual(
      expect.arrayContaining(['fastify', './config.ts', './domain/ids.ts', './http/app.ts', './sandbox/sandbox.ts']),
    )
    for (const file of sourceFiles) {
      const lines = file.text.split('\n').filter(line => /^(?:import .*|\} )from '/.test(line))
      expect(importsOf(file).length, file.path).toBeGreaterThanOrEqual(lines.length)
    }
  })

  test('read the environment in one place for each program', () => {
    expect(
      sourceFiles
        .filter(readsEnvironment)
        .map(file => file.path)
        .filter(path => !readersOfTheEnvironment.includes(path)),
    ).toEqual([])
  })

  test('of the domain know no clock, no chance and no world outside', () => {
    const domain = sourceFiles.filter(file => roomOf(file.path) === 'domain')
    expect(domain.length).toBeGreaterThan(5)
    expect(domain.filter(file => outside.test(withoutComments(file.text))).map(file => file.path)).toEqual([])
  })
})

describe('the rules', () => {
  const imported = (path: string, text: string): string[] => forbiddenImports({ path, text })

  test.each([
    ['domain/job.ts', "import { readFile } from 'node:fs/promises'"],
    ['domain/job.ts', "import http from 'node:http'"],
    ['domain/job.ts', "import 'node:net'"],
    ['domain/job.ts', "import Database from 'better-sqlite3'"],
    ['domain/job.ts', "import { request } from 'undici'"],
    ['domain/job.ts', "import type { FastifyInstance } from 'fastify'"],
    ['domain/job.ts', "import type { Disk } from '../files/disk.ts'"],
    ['domain/job.ts', "import { readConfig } from '../config.ts'"],
    ['domain/job.ts', "export * from '../net/guard.ts'"],
    ['domain/job.ts', "export type { Fetcher } from '../net/fetch.ts'"],
    ['net/fetch.ts', "import { openDisk } from '../files/disk.ts'"],
    ['files/disk.ts', "import { createFetcher } from '../net/fetch.ts'"],
    ['files/disk.ts', "import {\n  one,\n  two,\n} from '../store/store.ts'"],
    ['store/store.ts', "import { encode } from '../provider/encode.ts'"],
    ['store/store.ts', "const { encode } = await import('../provider/encode.ts')"],
    ['store/store.ts', "new Worker(new URL('../steps/loop.ts', import.meta.url))"],
    ['provider/client.ts', "import { startLoop } from '../steps/loop.ts'"],
    ['steps/submit.ts', "import { callerOf } from '../http/access.ts'"],
    ['http/app.ts', "import { startService } from '../wire.ts'"],
    ['http/app.ts', "import { startSandbox } from '../sandbox/sandbox.ts'"],
    ['run.ts', "import { startSandbox } from './sandbox/sandbox.ts'"],
    ['wire.ts', "import { run } from './run.ts'"],
    ['wire/steps.ts', "import { startService } from '../wire.ts'"],
    ['doctor/keys.ts', "import { parseFaults } from '../sandbox/faults.ts'"],
    ['config.ts', "import { systemClock } from './clock.ts'"],
    ['sandbox/run.ts', "import type { Clock } from '../domain/ports.ts'"],
    ['sandbox/run.ts', "import { liftJson } from '../files/lift.ts'"],
    ['store/store.ts', "import { testFolder } from '../../test/support/folder.ts'"],
    ['store/store.ts', "import { oddRoom } from '../odd/room.ts'"],
    ['store/store.ts', 'await import(name)'],
    ['store/store.ts', "import x from './sqlite.ts'; import y from '../http/app.ts'"],
    ['store/store.ts', "const pattern = /'/; import y from '../http/app.ts'"],
    ['store/store.ts', "const text = '/*'; import y from '../http/app.ts' // */"],
  ])('in %s, forbid %s', (path, text) => {
    expect(imported(path, text)).toHaveLength(1)
  })

  test.each([
    ['domain/ids.ts', "import { randomBytes } from 'node:crypto'"],
    ['domain/view.ts', "import { credits } from './models.ts'"],
    ['files/deep/er.ts', "import type { Blobs } from '../../domain/ports.ts'"],
    ['store/store.ts', "import Database from 'better-sqlite3'"],
    ['provider/client.ts', "import { liftJson } from '../files/lift.ts'"],
    ['steps/submit.ts', "import type { Fetcher } from '../net/fetch.ts'"],
    ['http/app.ts', "import { liftJson } from '../files/lift.ts'"],
    ['wire.ts', "import { startSandbox } from './sandbox/sandbox.ts'"],
    ['main.ts', "const { run } = await import('./run.ts')"],
    ['domain/job.ts', "// import { readFile } from 'node:fs'"],
    ['domain/job.ts', "/* import { readFile }\n from 'node:fs' */"],
    ['domain/job.ts', "/** as import('node:fs') does */"],
  ])('in %s, allow %s', (path, text) => {
    expect(imported(path, text)).toEqual([])
  })

  test.each([
    'const { PORT } = process.env',
    "process['env']",
    'const { env } = process',
    "import { env } from 'node:process'",
    'process?.env',
  ])('see that %s reads the environment', text => {
    expect(readsEnvironment({ path: 'x.ts', text })).toBe(true)
  })

  test.each([
    '// process.env',
    "/** The only reader of process.env. */ const a = 'x'",
    'process.exit(1)',
    'const { env } = options',
  ])('see that %s does not', text => expect(readsEnvironment({ path: 'x.ts', text })).toBe(false))

  test('see through a text that looks like a comment', () => {
    expect(withoutComments("a('http://x') // gone")).toBe("a('http://x')  ")
    expect(withoutComments('a(/[/]*/) /* gone */')).toBe('a(/[/]*/)  ')
  })
})
