import type { Finding, Level } from './finding.ts'

const words: Readonly<Record<Level, string>> = { ok: 'ok', skip: 'skip', warn: 'warn', fail: 'FAIL' }
const widest = 'webhook secret'.length

/** A finding as one line. */
export function asLine({ check, level, seen, toDo }: Finding): string {
  // A path may hold what a terminal takes for a command.
  const text = `${seen}${toDo === null ? '' : ` → ${toDo}`}`.replaceAll(/\p{Cc}+/gu, ' ')
  return `${words[level].padEnd(4)}  ${check.padEnd(widest)}  ${text}`
}

/** The worst that was found: what it is all in all. */
export function verdictOf(findings: readonly Finding[]): 'ok' | 'warn' | 'fail' {
  if (findings.some(finding => finding.level === 'fail')) return 'fail'
  return findings.some(finding => finding.level === 'warn') ? 'warn' : 'ok'
}

export function verdictLine(findings: readonly Finding[]): string {
  const count = (level: Level): number => findings.filter(finding => finding.level === level).length
  const [failures, warnings] = [count('fail'), count('warn')]
  const warned = `${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`
  if (failures > 0) return `doctor: ${failures} FAILED, ${warned}: it will not work as it is`
  return warnings > 0 ? `doctor: it works, with ${warned}` : 'doctor: all is well'
}
