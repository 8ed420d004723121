import { join } from 'node:path'
import { register } from 'prom-client'
import { expect, onTestFinished, test } from 'vitest'
import { storeFigures } from '../../src/metrics/gauges.ts'
import { makeMeter } from '../../src/metrics/meter.ts'
import { makeMetrics } from '../../src/metrics/metrics.ts'
import { testClock } from '../support/clock.ts'
import { parseExposition, valueOf } from '../support/exposition.ts'
import { testFolder } from '../support/folder.ts'
import { testLog } from '../support/service.ts'
import { testStore } from '../support/store.ts'

async function metricsOf(databasePath: string) {
  const { registry: counted } = makeMeter()
  const [store, log] = [await testStore(), testLog()]
  const deps = { counted, store, log, clock: testClock(), databasePath, maxInFlight: 1, isPaused: () => false, version: '1' }
  const metrics = makeMetrics(deps)
  onTestFinished(() => metrics.close())
  return { metrics, store, log }
}

test('where one part cannot be read, the others are given, and what is missing is told without a reason', async () => {
  const path = join(await testFolder(), 'nothing-here')
  const { metrics, store, log } = await metricsOf(path)
  const text = await metrics.text()
  const parsed = parseExposition(text)
  expect(valueOf(parsed, 'darkroom_scrape_failed', { part: 'disk' })).toBe(1)
  expect(valueOf(parsed, 'darkroom_scrape_failed', { part: 'store' })).toBe(0)
  expect(valueOf(parsed, 'darkroom_queue_tasks')).toBe(0)
  expect(parsed.has('darkroom_disk_free_bytes')).toBe(false)
  expect(text).not.toMatch(/ENOENT|nothing-here/)
  expect(log.lines).toMatchObject([{ level: 'warn', event: 'metrics.not_read', fields: { part: 'disk' } }])
  await store.close()
  const closed = parseExposition(await metrics.text())
  expect(valueOf(closed, 'darkroom_scrape_failed', { part: 'store' })).toBe(1)
  expect([...closed.keys()].filter(name => /jobs|queue|waiting/.test(name))).toEqual([])
})

test('jobs of a model that left the catalogue count as other, with those that are other already', async () => {
  const store = await testStore()
  const jobs = ['gone', 'gone-too', 'other', 'gpt-image-1'].map(model => ({ model, status: 'failed', count: 2 }) as const)
  const figures: typeof store.figures = async when => ({ ...(await store.figures(when)), jobs })
  const part = storeFigures({ figures }, testClock())
  for (let scrape = 0; scrape < 2; scrape += 1) await part.read()
  const families = parseExposition(await part.registry.metrics())
  const met = families.get('darkroom_jobs')?.samples.filter(sample => sample.value > 0)
  expect(met?.map(({ labels, value }) => [labels['model'], value]).toSorted()).toEqual([
    ['gpt-image-1', 2],
    ['other', 6],
  ])
})

test('every figure has a help text, and a name with its unit', async () => {
  const { metrics } = await metricsOf(join(await testFolder(), 'x'))
  for (const { name, help, type } of parseExposition(await metrics.text()).values()) {
    expect(help.length, name).toBeGreaterThan(15)
    expect(name).toMatch(/^(darkroom|process|nodejs)_[a-z0-9_]+$/)
    if (type === 'histogram') expect(name).toMatch(/_seconds$|^darkroom_commit_writes$/)
    expect(name).not.toMatch(/_ms\b|_millis|_kb\b|_mb\b/)
  }
})

test('two services of one process count for themselves, and nothing lands in what the process shares', async () => {
  const [one, other] = [makeMeter(), makeMeter()]
  one.meter.submitted('accepted')
  const accepted = async ({ registry }: typeof one) =>
    valueOf(parseExposition(await registry.metrics()), 'darkroom_submits_total', { outcome: 'accepted' })
  expect([await accepted(one), await accepted(other)]).toEqual([1, 0])
  const { metrics } = await metricsOf(join(await testFolder(), 'x'))
  await metrics.text()
  expect(register.getMetricsAsArray()).toEqual([])
})
