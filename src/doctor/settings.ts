import { type Config, ConfigError, type Environment, readConfig, type SettingsTools, settingNames } from '../config.ts'
import { type Finding, findingsOf } from './finding.ts'

/** A file of settings, and what stands in it. */
export type EnvFile = { path: string; values: Environment }

export type SettingsSeen = { config: Config | null; findings: Finding[] }

const settings = findingsOf('settings')

/** Reads the settings as the service does. Names are told, values never. `envFile`: null where there is none. */
export function examineSettings(environment: Environment, envFile: EnvFile | null, tools: SettingsTools = {}): SettingsSeen {
  const typos = likelyTypos(Object.keys(environment), settingNames()).map(({ name, meant }) =>
    settings.warn(`${name} is not a setting, and is ignored`, `is ${meant} meant?`),
  )
  const file = envFile === null ? [] : examineFile(environment, envFile)
  try {
    const config = readConfig(environment, tools)
    return { config, findings: [settings.ok(`${countOf(environment)}, ${sourceOf(envFile)}`), ...file, ...typos] }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { config: null, findings: [...error.problems.map(problem => settings.fail(problem)), ...file, ...typos] }
  }
}

function countOf(environment: Environment): string {
  const count = settingNames().filter(name => (environment[name] ?? '').trim() !== '').length
  return count === 0 ? 'all are the defaults' : `${count} set`
}

function sourceOf(envFile: EnvFile | null): string {
  return envFile === null ? 'from the environment alone: there is no .env' : `from the environment and ${envFile.path}`
}

/** Whether the file had its effect: all of it is in the environment by now, where it was read and nothing went before it. */
function examineFile(environment: Environment, { path, values }: EnvFile): Finding[] {
  const names = Object.keys(values)
  if (names.some(name => environment[name] === undefined))
    return [settings.warn(`${path} is there, but was not read`, 'use npm start and npm run doctor, or node --env-file=.env')]
  const known = new Set(settingNames())
  const overruled = names.filter(name => known.has(name) && environment[name] !== values[name])
  if (overruled.length === 0) return []
  return [
    settings.warn(
      `${overruled.join(', ')} in ${path} has no effect: the environment says otherwise`,
      'change it in one of the two only',
    ),
  ]
}

/** Names that are none of ours but nearly are, or are one of ours without its first word. */
export function likelyTypos(names: readonly string[], known: readonly string[]): { name: string; meant: string }[] {
  const typos: { name: string; meant: string }[] = []
  for (const name of names) {
    if (known.includes(name)) continue
    const longer = name.includes('_') ? known.find(meant => meant.endsWith(`_${name.toUpperCase()}`)) : undefined
    const near = known
      .map(meant => ({ meant, distance: editDistance(plain(name), plain(meant)) }))
      .filter(({ meant, distance }) => distance <= allowedDistance(plain(meant)))
      .toSorted((a, b) => a.distance - b.distance)
    const meant = near[0]?.meant ?? longer
    if (meant !== undefined) typos.push({ name, meant })
  }
  return typos
}

function plain(name: string): string {
  return name.replaceAll('_', '').toUpperCase()
}

/** Short names lie close to words of other programs: HOST and HOME. */
function allowedDistance(name: string): number {
  return name.length <= 6 ? 1 : name.length <= 12 ? 2 : 3
}

/** How many characters must be put in, taken out or changed to make the one text the other (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (const [index, left] of a.split('').entries()) {
    const next = [index + 1]
    for (const [column, right] of b.split('').entries()) {
      const changed = (row[column] ?? 0) + (left === right ? 0 : 1)
      next.push(Math.min(changed, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
