import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { testFolder } from '../support/folder.ts'

const program = join(import.meta.dirname, '..', '..', 'src', 'doctor.ts')

export type Check = { check: string; status: 'ok' | 'skip' | 'warn' | 'fail'; seen: string; to_do: string | null }
export type Report = { status: string; checked_at: string; checks: Check[]; webhook_secrets?: string[] }

/** Runs the program as `npm run doctor` does. On a free port and a folder of its own, unless the settings say otherwise. */
export async function runDoctor(settings: Record<string, string>, ...flags: string[]): Promise<{ code: number; output: string }> {
  const env = { PATH: process.env['PATH'], PORT: '0', DATA_DIR: settings['DATA_DIR'] ?? (await testFolder()), ...settings }
  return new Promise(resolve => {
    execFile(process.execPath, [program, ...flags], { env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, output: stdout + stderr })
    })
  })
}

export async function reportOf(settings: Record<string, string>, ...flags: string[]): Promise<Report & { code: number }> {
  const { code, output } = await runDoctor(settings, '--json', ...flags)
  return { ...(JSON.parse(output) as Report), code }
}

/** What was found of one check. */
export function found(report: Report, check: string): Check {
  const one = report.checks.find(item => item.check === check)
  if (one === undefined) throw new Error(`the doctor did not look at ${check}`)
  return one
}
