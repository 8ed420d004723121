import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { examine } from '../../src/doctor/examine.ts'
import type { Finding } from '../../src/doctor/finding.ts'
import { examineWebhookSecrets } from '../../src/doctor/keys.ts'
import { testFolder } from '../support/folder.ts'
import { migrationsFolder } from '../support/jobs.ts'

const nobody = 65_534
const isRoot = process.getuid?.() === 0

// Only root can become somebody who may not read a folder, and root itself may read them all.
test.runIf(isRoot)('what this user may not look at is said to be so, not to be missing', async () => {
  const dataDir = await testFolder()
  await writeFile(join(dataDir, 'secret'), 'a-secret', { mode: 0o600 })
  const config = readConfig({ DATA_DIR: dataDir, PORT: '0' })
  const findings: Finding[] = []
  process.seteuid?.(nobody)
  try {
    for await (const finding of examine(config, { migrations: migrationsFolder, thorough: false, now: Date.now }))
      findings.push(finding)
    findings.push((await examineWebhookSecrets(config)).finding)
  } finally {
    process.seteuid?.(0)
  }
  const checksThat = (level: Finding['level']) => findings.filter(one => one.level === level).map(({ check }) => check)
  expect(checksThat('fail')).toEqual(['data folder', 'secret', 'database'])
  expect(checksThat('skip')).toEqual(['service', 'clock', 'webhook secret'])
})
