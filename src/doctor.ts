import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs, parseEnv } from 'node:util'
import { examine } from './doctor/examine.ts'
import { type Finding, findingsOf } from './doctor/finding.ts'
import { examineWebhookSecrets, type WebhookSecrets } from './doctor/keys.ts'
import { asLine, verdictLine, verdictOf } from './doctor/report.ts'
import { type EnvFile, examineSettings } from './doctor/settings.ts'
import { faultsProblem } from './sandbox/faults.ts'

const root = join(import.meta.dirname, '..')
const usage = `usage: npm run doctor -- [--json] [--thorough] [--show-webhook-secret]
  --json                 one JSON document instead of lines
  --thorough             checks all of the database, however large it is
  --show-webhook-secret  prints what webhooks are signed with`

function readFlags() {
  const flag = { type: 'boolean', default: false } as const
  try {
    return parseArgs({ options: { json: flag, thorough: flag, 'show-webhook-secret': flag, help: flag } }).values
  } catch {
    return null
  }
}

function readEnvFile(): EnvFile | null {
  const path = join(root, '.env')
  return existsSync(path) ? { path, values: parseEnv(readFileSync(path, 'utf8')) } : null
}

/** All findings, as they come, and the webhook secrets. */
async function* look(thorough: boolean): AsyncGenerator<Finding, WebhookSecrets | null> {
  const { config, findings } = examineSettings(process.env, readEnvFile(), { faultsProblem })
  yield* findings
  yield findingsOf('node').ok(`${process.version} on ${process.platform} ${process.arch}`)
  if (config === null) {
    yield findingsOf('the rest').skip('not looked at until the settings are right')
    return null
  }
  yield* examine(config, { migrations: join(root, 'migrations', 'sqlite'), thorough, now: Date.now })
  const webhooks = await examineWebhookSecrets(config)
  yield webhooks.finding
  return webhooks
}

async function main(): Promise<void> {
  const flags = readFlags()
  if (flags === null || flags.help) {
    console.log(usage)
    process.exitCode = flags === null ? 1 : 0
    return
  }
  const findings: Finding[] = []
  const looking = look(flags.thorough)
  let next = await looking.next()
  for (; next.done !== true; next = await looking.next()) {
    findings.push(next.value)
    if (!flags.json) console.log(asLine(next.value))
  }
  const secrets = flags['show-webhook-secret'] ? (next.value?.secrets ?? []) : null
  if (flags.json) {
    const checks = findings.map(({ check, level, seen, toDo }) => ({ check, status: level, seen, to_do: toDo }))
    const shown = secrets === null ? {} : { webhook_secrets: secrets }
    const report = { status: verdictOf(findings), checked_at: new Date().toISOString(), checks, ...shown }
    console.log(JSON.stringify(report, null, 2))
  } else {
    for (const secret of secrets ?? []) console.log(secret)
    console.log(verdictLine(findings))
  }
  process.exitCode = verdictOf(findings) === 'fail' ? 1 : 0
}

await main()
