import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readConfig, settingNames } from '../src/config.ts'
import { models } from '../src/domain/models.ts'
import { faultNames } from '../src/sandbox/sandbox.ts'
import { anchorOf } from './support/anchors.ts'
import { testFolder } from './support/folder.ts'
import { startTestService } from './support/service.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

const pages = ['', 'docs/'].flatMap(folder =>
  readdirSync(join(root, folder))
    .filter(name => name.endsWith('.md'))
    .map(name => `${folder}${name}`),
)
const allPages = pages.map(read).join('\n')

const isFile = (name: string): boolean => name.endsWith('_FILE')
const plainSettings = settingNames().filter(name => !isFile(name))
const secretSettings = settingNames()
  .filter(isFile)
  .map(name => name.replace(/_FILE$/, ''))

/** The rows of the table of settings: what stands in the first and in the second column. */
const settingRows = [...allPages.matchAll(/^\| (`[A-Z_`, ]+`) \| ([^|]*) \|/gm)].map(([, names = '', defaults = '']) => ({
  names: [...names.matchAll(/`([A-Z_]+)`/g)].map(([, name = '']) => name),
  defaults,
}))

test('every setting stands in the table, once, and nothing else does', () => {
  expect(plainSettings.length).toBeGreaterThan(30)
  expect(settingRows.flatMap(row => row.names).toSorted()).toEqual(plainSettings.toSorted())
})

test('the defaults in the table are those of the service', () => {
  const environment: Record<string, string> = {}
  for (const { names, defaults } of settingRows) {
    if (!/^`[^`]+`(, `[^`]+`)*$/.test(defaults)) continue
    const values = [...defaults.matchAll(/`([^`]+)`/g)].map(([, value = '']) => value)
    expect(values, names.join()).toHaveLength(names.length)
    for (const [index, name] of names.entries()) environment[name] = values[index] ?? ''
  }
  expect(Object.keys(environment).length).toBeGreaterThan(15)
  expect(readConfig(environment)).toEqual(readConfig({}))
})

test('.env.example has every setting, with its default', () => {
  const lines = [...read('.env.example').matchAll(/^#([A-Z_]+)=(.*)$/gm)].map(
    ([, name = '', value = '']) => [name, value] as const,
  )
  expect(lines.map(([name]) => name).toSorted()).toEqual(plainSettings.toSorted())
  // This one alone has no default that could stand there, and shows an example.
  const environment = Object.fromEntries(lines.filter(([name]) => name !== 'PUBLIC_URL'))
  expect(readConfig(environment)).toEqual(readConfig({}))
})

test('docker-compose.yml passes every setting on but those that the image sets', () => {
  const [, service = ''] = /^ {2}darkroom:\n((?: {4}.*\n|\n)+)/m.exec(read('docker-compose.yml')) ?? []
  const [, environment = ''] = /^ {4}environment:\n((?: {6}.*\n)+)/m.exec(service) ?? []
  const passed = [...environment.matchAll(/^ {6}([A-Z_]+):/gm)].map(([, name = '']) => name)
  const ofTheImage = new Set(['HOST', 'DATA_DIR'])
  expect(passed.toSorted()).toEqual(
    settingNames()
      .filter(name => !ofTheImage.has(name))
      .toSorted(),
  )
  for (const name of ofTheImage) expect(read('Dockerfile')).toMatch(new RegExp(`^ENV .*\\b${name}=`, 'm'))
})

test('every secret that may come from a file is named where this is told', () => {
  expect(secretSettings.length).toBeGreaterThan(3)
  const paragraphs = [...allPages.split(/\n\n/), ...read('.env.example').split(/\n(?:#\n)?\n/)].filter(text =>
    /_FILE\b/.test(text),
  )
  expect(paragraphs).toHaveLength(2)
  for (const paragraph of paragraphs) for (const name of secretSettings) expect(paragraph).toMatch(new RegExp(`\\b${name}\\b`))
})

/** `GET /jobs/:taskId`, …: every route that the service serves. */
async function servedRoutes(): Promise<string[]> {
  const { app } = await startTestService()
  const path: string[] = []
  const routes: string[] = []
  for (const line of app.printRoutes({ commonPrefix: false }).split('\n')) {
    const match = /^([│ ]*)[├└]── (\S+)(?: \(([A-Z, ]+)\))?$/.exec(line)
    if (match === null) continue
    const [, indent = '', part = '', methods = ''] = match
    path.splice(indent.length / 4, path.length, part.replace(/^\/(?!$)/, '').replace(/\/$/, ''))
    // What a HEAD answers goes without saying.
    for (const method of methods.split(', ').filter(name => name !== '' && name !== 'HEAD'))
      routes.push(`${method} /${path.filter(one => one !== '').join('/')}`)
  }
  // So do the files of the pages, and a slash at the end.
  return [...new Set(routes)].filter(route => !/^GET \/(assets|docs)\//.test(route))
}

test('every route is in the README’s table, and only those', async () => {
  const served = await servedRoutes()
  expect(served).toContain('GET /jobs/:taskId/images/:index')
  expect(served.length).toBeGreaterThan(20)
  const rows = read('README.md')
    .split('\n')
    .filter(line => /^\| `[A-Z]+ \//.test(line))
  const named = rows.flatMap(row => [...(row.split('|')[1] ?? '').matchAll(/`([A-Z]+ \/\S*)`/g)].map(([, route = '']) => route))
  const asNamed = served.map(route => route.replace(':taskId', 'ID').replace(':index', '0').replace(':token', 'TOKEN'))
  expect(named.toSorted()).toEqual(asNamed.toSorted())
})

test('the curl line in the README is the one that the service prints', async () => {
  const child = spawn(process.execPath, [join(root, 'src', 'main.ts')], {
    env: { PATH: process.env['PATH'], PORT: '0', DATA_DIR: await testFolder(), LOG_LEVEL: 'silent' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = new Promise(resolve => child.once('exit', resolve))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  let printed = ''
  for await (const chunk of child.stderr) {
    printed += String(chunk)
    if (/curl .*\n/.test(printed)) break
  }
  expect(printed).toMatch(/curl .*localhost:\d+\/jobs/)
  const [line = ''] = /curl .*/.exec(printed) ?? []
  const withDefaultPort = line.replace(/localhost:\d+/, `localhost:${readConfig({}).port}`)
  expect(read('README.md').split('\n')).toContain(withDefaultPort)
})

test('links between the pages lead somewhere', () => {
  const links = pages.flatMap(page =>
    [...read(page).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)].map(match => ({ page, match })),
  )
  expect(links.length).toBeGreaterThan(10)
  for (const { page, match } of links) {
    const [, file = '', anchor] = match
    const target = file === '' ? page : relative(root, join(root, dirname(page), file))
    expect(existsSync(join(root, target)), `${page}: ${target}`).toBe(true)
    if (anchor === undefined) continue
    const headings = [...read(target).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading))
    expect(headings, `${page}: ${target}`).toContain(anchor)
  }
})

test('every npm script that the pages name is there', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const named = [...allPages.matchAll(/\bnpm run ([\w:]+)/g)].map(([, name = '']) => name)
  expect(named.length).toBeGreaterThan(3)
  for (const name of named) expect(Object.keys(scripts)).toContain(name)
})

test('every file that the pages name is there', () => {
  const named = [...allPages.matchAll(/`((?:src|test|docs|migrations|bench|tools)\/[\w./-]+\.\w+)`/g)].map(
    ([, path = '']) => path,
  )
  expect(named.length).toBeGreaterThan(20)
  // The one that is yet to be written: how a migration is named.
  const made = named.filter(path => path !== 'migrations/sqlite/0002_what_it_does.sql')
  expect(made.filter(path => !existsSync(join(root, path)))).toEqual([])
})

test('every fault of the sandbox stands in the table, once, and nothing else does', () => {
  const [, section = ''] = read('docs/operations.md').split('\n## The sandbox and its faults\n')
  const cells = [...section.matchAll(/^\| (`[^|]+`) \|/gm)].map(([, cell = '']) => cell)
  const named = cells.flatMap(cell => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name))
  expect(named.toSorted()).toEqual(faultNames.toSorted())
})

test('every known model is named in the page of the API', () => {
  for (const { id } of models) expect(read('docs/api.md')).toContain(`\`${id}\``)
})
