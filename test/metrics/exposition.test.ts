import { expect, onTestFinished, test } from 'vitest'
import { stateFigures } from '../../src/metrics/gauges.ts'
import { makeMeter, modelLabels } from '../../src/metrics/meter.ts'
import { watchProcess } from '../../src/metrics/process.ts'
import { until } from '../steps/setting.ts'
import { parseExposition, valueOf } from '../support/exposition.ts'

test('a label with quotes, backslashes and line ends is read back as it was', async () => {
  const odd = 'a"b\\c\nd,{}= '
  const { registry } = stateFigures({ maxInFlight: 1, isPaused: () => false, version: odd })
  expect(valueOf(parseExposition(await registry.metrics()), 'darkroom_build_info', { version: odd })).toBe(1)
})

test('what is counted is there from the start, each line at 0; only requests come as they are met', async () => {
  const { meter, registry } = makeMeter()
  const families = parseExposition(await registry.metrics())
  const requests = 'darkroom_http_request_duration_seconds'
  expect([...families.values()].filter(family => family.samples.length === 0).map(family => family.name)).toEqual([requests])
  expect([...families.values()].flatMap(family => family.samples).filter(sample => sample.value !== 0)).toEqual([])
  const linesOf = (name: string) => families.get(name)?.samples.length
  expect(linesOf('darkroom_results_total')).toBe(3 * 2)
  expect(linesOf('darkroom_callbacks_total')).toBe(8)
  expect(families.get('darkroom_result_wait_seconds')?.samples.filter(sample => sample.name.endsWith('_count'))).toHaveLength(
    modelLabels.length,
  )
  meter.requestAnswered('GET', '/jobs', 200, 3)
  const labels = { route: '/jobs', method: 'GET', status: '2xx' }
  expect(valueOf(parseExposition(await registry.metrics()), `${requests}_count`, labels)).toBe(1)
})

test('a delay that was not measured yet has no line, rather than a 0', async () => {
  const watched = watchProcess()
  onTestFinished(() => watched.close())
  const families = parseExposition(await watched.registry.metrics())
  expect(families.get('nodejs_eventloop_lag_max_seconds')?.samples).toEqual([])
  expect(families.get('process_resident_memory_bytes')?.samples).toHaveLength(1)
})

test('a process that is watched no more is not measured', async () => {
  const [ended, still] = [watchProcess(), watchProcess()]
  onTestFinished(() => still.close())
  ended.close()
  const measured = async ({ registry, read }: typeof still): Promise<[delays: number, collections: number]> => {
    await read()
    const families = parseExposition(await registry.metrics())
    const collections = families.get('nodejs_gc_duration_seconds')?.samples.filter(sample => sample.name.endsWith('_count'))
    const delays = families.get('nodejs_eventloop_lag_max_seconds')?.samples.length ?? 0
    return [delays, collections?.reduce((sum, sample) => sum + sample.value, 0) ?? 0]
  }
  const garbage: string[][] = []
  await until(async () => {
    garbage[0] = Array.from({ length: 100_000 }, String)
    const [delays, collections] = await measured(still)
    return delays > 0 && collections > 0
  })
  expect(await measured(ended)).toEqual([0, 0])
})

test('the CPU time is what the process took, at each scrape anew', async () => {
  const watched = watchProcess()
  onTestFinished(() => watched.close())
  const secondsNow = (): number => (process.cpuUsage().user + process.cpuUsage().system) / 1e6
  for (let scrape = 0; scrape < 3; scrape += 1) {
    const before = secondsNow()
    await watched.read()
    const seconds = valueOf(parseExposition(await watched.registry.metrics()), 'process_cpu_seconds_total')
    expect(seconds).toBeGreaterThanOrEqual(before)
    expect(seconds).toBeLessThanOrEqual(secondsNow())
  }
})

test('a value counts in its bucket and all above, the bound itself included', async () => {
  const { meter, registry } = makeMeter()
  for (const ms of [0, 500, 600, 1_000, 10_000, 10_100, 1e12]) meter.callbackAnswered('applied', 1, ms)
  const parsed = parseExposition(await registry.metrics())
  const bucket = (le: string) => valueOf(parsed, 'darkroom_callback_duration_seconds_bucket', { le })
  expect(['0.25', '0.5', '1', '5', '10', '30', '+Inf'].map(bucket)).toEqual([1, 2, 4, 4, 5, 6, 7])
  expect(valueOf(parsed, 'darkroom_callback_duration_seconds_count')).toBe(7)
  expect(valueOf(parsed, 'darkroom_callback_duration_seconds_sum')).toBeCloseTo(1e9 + 22.2, 6)
  expect(valueOf(parsed, 'darkroom_callback_bytes_total')).toBe(7)
})

test.each([
  ['a line without a figure', 'x 1\n'],
  ['a type without help', '# TYPE x gauge\nx 1\n'],
  ['a figure twice', '# HELP x h\n# TYPE x gauge\n# HELP x h\n# TYPE x gauge\n'],
  ['a line twice', '# HELP x h\n# TYPE x gauge\nx{a="1"} 1\nx{a="1"} 2\n'],
  ['a value that is none', '# HELP x h\n# TYPE x gauge\nx null\n'],
  ['an open quote', '# HELP x h\n# TYPE x gauge\nx{a="1} 1\n'],
  ['no end of line', '# HELP x h\n# TYPE x gauge\nx 1'],
  ['a counter that falls below nothing', '# HELP x_total h\n# TYPE x_total counter\nx_total -1\n'],
  ['a counter without its ending', '# HELP x h\n# TYPE x counter\nx 1\n'],
  ['buckets that fall', '# HELP x h\n# TYPE x histogram\nx_bucket{le="1"} 2\nx_bucket{le="+Inf"} 1\nx_sum 1\nx_count 1\n'],
])('the reader of the tests refuses %s', (_what, text) => {
  expect(() => parseExposition(text)).toThrow()
})
