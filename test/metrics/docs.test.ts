import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openJob, send, success } from '../http/posted.ts'
import { until } from '../steps/setting.ts'
import { startTestService } from '../support/service.ts'
import { adminKey, scrape } from './scrape.ts'

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'operations.md'), 'utf8')
const [, section = ''] = /\n## Watching it\n([\s\S]*?)\n## /.exec(page) ?? []

/** The third column of the table: an alarm, and for how long it has to be so. */
const alarms = [...section.matchAll(/^\|(?:[^|]*\|){2} `([^`|]+)`(?: for \d+ (?:min|h))? \|[^|]+\|$/gm)].map(
  ([, rule = '']) => rule,
)

test('every row of the table has an alarm', () => {
  const rows = section.split('\n').filter(line => line.startsWith('| '))
  expect(alarms).toHaveLength(rows.length - 1)
  expect(alarms.length).toBeGreaterThan(15)
})

test('every figure that the page names is there, with the labels that it names', async () => {
  const service = await startTestService({ ADMIN_KEY: adminKey })
  const { path } = await openJob(service)
  await send(service, path, success)
  // What is measured between two scrapes takes a moment to be there.
  const families = await until(async () => {
    const { families: found } = await scrape(service)
    return found.get('nodejs_eventloop_lag_p99_seconds')?.samples.length === 1 && found
  })
  const samples = [...families.values()].flatMap(family => family.samples)
  const named = [...section.matchAll(/\b((?:darkroom|nodejs|process)_\w+)(?:\{([^}]*)\})?/g)]
  expect(named.length).toBeGreaterThan(30)
  for (const [text, name = '', selector = ''] of named) {
    const wanted = [...selector.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = '', value = '']) => [label, value] as const)
    const found = samples.some(
      sample =>
        (sample.name === name || families.get(name)?.samples.includes(sample) === true) &&
        wanted.every(([label, value]) => sample.labels[label] === value),
    )
    expect(found, text).toBe(true)
  }
})
