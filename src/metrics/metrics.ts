import { Gauge, Registry } from 'prom-client'
import type { Clock, Log } from '../domain/ports.ts'
import type { JobStore } from '../domain/store.ts'
import { diskFigures, stateFigures, storeFigures } from './gauges.ts'
import { type Figures, watchProcess } from './process.ts'

export type MetricsDeps = {
  /** What was counted. */
  counted: Registry
  store: Pick<JobStore, 'figures'>
  clock: Clock
  log: Log
  databasePath: string
  maxInFlight: number
  isPaused: () => boolean
  version: string
}

export type Metrics = {
  /** All figures as they are now, in the text format of Prometheus. */
  text(): Promise<string>
  /** What the text is, for the header. */
  contentType: string
  close(): void
}

type Part = { name: string; figures: Figures }

/** Gathers all figures at a scrape. The process is watched from the first scrape on: where nobody asks, it costs nothing. */
export function makeMetrics(deps: MetricsDeps): Metrics {
  const scrape = new Registry()
  const failed = new Gauge({
    name: 'darkroom_scrape_failed',
    help: '1 where a part of the figures could not be read; its lines are left out.',
    labelNames: ['part'],
    registers: [scrape],
  })
  let watched: ReturnType<typeof watchProcess> | null = null
  let closed = false
  const parts: Part[] = [
    { name: 'state', figures: stateFigures(deps) },
    { name: 'store', figures: storeFigures(deps.store, deps.clock) },
    { name: 'disk', figures: diskFigures(deps.databasePath) },
  ]

  /** The figures of a part; none where it cannot be read: what is left of it from an earlier scrape would be a lie. */
  async function registriesOf({ name, figures }: Part): Promise<Registry[]> {
    try {
      await figures.read()
      failed.set({ part: name }, 0)
      return [figures.registry]
    } catch (error) {
      failed.set({ part: name }, 1)
      deps.log.warn({ err: error, part: name }, 'metrics.not_read')
      return []
    }
  }

  return {
    contentType: scrape.contentType,
    async text() {
      if (watched === null && !closed) {
        watched = watchProcess()
        parts.push({ name: 'process', figures: watched })
      }
      const read = await Promise.all(parts.map(registriesOf))
      return Registry.merge([deps.counted, ...read.flat(), scrape]).metrics()
    },
    close() {
      closed = true
      watched?.close()
    },
  }
}
