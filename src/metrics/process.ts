import { readdir } from 'node:fs/promises'
import { constants, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** What is read at each scrape. */
type Watched = {
  /** Brings it up to date. */
  read(): Promise<void> | void
  close?(): void
}

/** A part of the figures that is given, or where it cannot be read, left out as a whole. */
export type Figures = Watched & { registry: Registry }

/** How often the loop's timer is to fire; what it takes longer is the delay. */
const resolutionMs = 10
const gcBoundsS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1]

/**
 * What every Node process has, under the names that dashboards know, from now on until the close. Not prom-client's own
 * default figures: those cannot be stopped, and take their timer's own 10 ms for a delay.
 */
export function watchProcess(): Required<Figures> {
  const registry = new Registry()
  const registers = [registry]
  const parts: Watched[] = [usage(registers), descriptors(registers), eventLoop(registers), garbageCollection(registers)]
  return {
    registry,
    async read() {
      for (const part of parts) await part.read()
    },
    close() {
      for (const part of parts) part.close?.()
    },
  }
}

function usage(registers: Registry[]): Watched {
  const cpu = new Counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time of all threads, user and system.',
    registers,
  })
  const gauge = (name: string, help: string): Gauge => new Gauge({ name, help, registers })
  const resident = gauge('process_resident_memory_bytes', 'Memory that the process holds in RAM.')
  const start = gauge('process_start_time_seconds', 'When the process started, in seconds since 1970.')
  const heapTotal = gauge('nodejs_heap_size_total_bytes', "Size of the main thread's JavaScript heap.")
  const heapUsed = gauge('nodejs_heap_size_used_bytes', "What is used of the main thread's JavaScript heap.")
  const external = gauge('nodejs_external_memory_bytes', 'Memory outside of the heap, such as buffers.')
  const version = new Gauge({
    name: 'nodejs_version_info',
    help: 'The version of Node.',
    labelNames: ['version'],
    registers,
  })
  start.set(Math.round(Date.now() / 1_000 - process.uptime()))
  version.set({ version: process.version }, 1)
  return {
    read() {
      const { user, system } = process.cpuUsage()
      const memory = process.memoryUsage()
      // A counter cannot be set; what the system counted since the start is added to nothing.
      cpu.reset()
      cpu.inc((user + system) / 1e6)
      resident.set(memory.rss)
      heapTotal.set(memory.heapTotal)
      heapUsed.set(memory.heapUsed)
      external.set(memory.external)
    },
  }
}

function descriptors(registers: Registry[]): Watched {
  const open = new Gauge({ name: 'process_open_fds', help: 'Open files and sockets; only on Linux.', registers })
  return {
    async read() {
      // Other systems have no such folder: no line, rather than a 0.
      await readdir('/proc/self/fd').then(
        names => open.set(names.length),
        () => open.remove(),
      )
    },
  }
}

/** How late the main thread was since the last scrape. */
function eventLoop(registers: Registry[]): Watched {
  const quantile = (name: string, what: string): Gauge => {
    const help = `How long what was due on the main thread had to wait, since the scrape before: ${what}`
    const gauge = new Gauge({ name: `nodejs_eventloop_lag_${name}_seconds`, help, registers })
    // It begins at 0, which nobody measured: no line until there is one.
    gauge.remove()
    return gauge
  }
  const p50 = quantile('p50', 'half of the time less than this.')
  const p99 = quantile('p99', '99 % of the time less than this.')
  const max = quantile('max', 'the longest.')
  const delays = monitorEventLoopDelay({ resolution: resolutionMs })
  delays.enable()
  // What is measured is the time between two firings.
  const seconds = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - resolutionMs / 1_000)
  return {
    read() {
      if (delays.count === 0) return
      p50.set(seconds(delays.percentile(50)))
      p99.set(seconds(delays.percentile(99)))
      max.set(seconds(delays.max))
      delays.reset()
    },
    close: () => void delays.disable(),
  }
}

const gcKinds: ReadonlyMap<number, string> = new Map([
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
])

function garbageCollection(registers: Registry[]): Watched {
  const duration = new Histogram({
    name: 'nodejs_gc_duration_seconds',
    help: 'Garbage collection on the main thread, by kind.',
    labelNames: ['kind'],
    buckets: gcBoundsS,
    registers,
  })
  for (const kind of gcKinds.values()) duration.zero({ kind })
  const observer = new PerformanceObserver(list => {
    for (const entry of list.getEntries()) {
      const kind = gcKinds.get(kindOf(entry))
      if (kind !== undefined) duration.observe({ kind }, entry.duration / 1_000)
    }
  })
  observer.observe({ entryTypes: ['gc'] })
  return { read: () => {}, close: () => observer.disconnect() }
}

/** Which kind of collection it was, as Node numbers them; its types do not tell of it. */
function kindOf(entry: object): number {
  const detail = 'detail' in entry ? entry.detail : null
  return typeof detail === 'object' && detail !== null && 'kind' in detail ? Number(detail.kind) : -1
}
