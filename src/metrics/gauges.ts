import { stat, statfs } from 'node:fs/promises'
import { Gauge, Registry } from 'prom-client'
import { jobStatuses } from '../domain/job.ts'
import { otherModels } from '../domain/models.ts'
import type { Clock } from '../domain/ports.ts'
import { unconfirmedCountsMs } from '../domain/retry.ts'
import type { JobStore, StoreFigures, Waiting } from '../domain/store.ts'
import { modelLabels } from './meter.ts'
import type { Figures } from './process.ts'

/** What the rows say. */
export function storeFigures(store: Pick<JobStore, 'figures'>, clock: Clock): Figures {
  const registry = new Registry()
  const registers = [registry]
  const jobs = jobCounts(registry)
  const queue = waitingPair(registry, 'darkroom_queue_tasks', 'darkroom_queue_oldest_seconds', 'tasks that wait to be submitted')
  const inFlight = new Gauge({
    name: 'darkroom_tasks_in_flight',
    help: 'Tasks that take room at the provider: running, being submitted, or unconfirmed for less than 5 minutes.',
    registers,
  })
  const unconfirmed = new Gauge({
    name: 'darkroom_tasks_unconfirmed',
    help: 'Tasks of which nobody knows whether they run, and are charged; 20000 means 20000 or more.',
    registers,
  })
  const copies = waitingPair(
    registry,
    'darkroom_copies_waiting',
    'darkroom_copies_oldest_seconds',
    'result pictures that wait to be copied',
  )
  const deliveries = waitingPair(
    registry,
    'darkroom_deliveries_waiting',
    'darkroom_deliveries_oldest_seconds',
    'webhooks and callbacks that wait to be sent',
  )
  const stored = new Gauge({
    name: 'darkroom_stored_bytes',
    help: 'Pictures on the disk by kind: input: sent in; output: results. Without smaller copies.',
    labelNames: ['kind'],
    registers,
  })
  const writes = new Gauge({
    name: 'darkroom_writes_waiting',
    help: 'Writes that wait for their commit. At 20000, further ones are refused.',
    registers,
  })
  return {
    registry,
    async read() {
      const now = clock.now()
      const figures = await store.figures({ now, unconfirmedCountsMs })
      jobs.set(figures.jobs)
      queue.set(figures.queue, now)
      copies.set(figures.copies, now)
      deliveries.set(figures.deliveries, now)
      inFlight.set(figures.inFlight)
      unconfirmed.set(figures.unconfirmed)
      writes.set(figures.writesWaiting)
      stored.set({ kind: 'input' }, figures.storedBytes.input)
      stored.set({ kind: 'output' }, figures.storedBytes.output)
    },
  }
}

function jobCounts(registry: Registry): { set(rows: StoreFigures['jobs']): void } {
  const jobs = new Gauge({
    name: 'darkroom_jobs',
    help: 'Jobs that are stored, by state and model; other: models that are not in GET /v1/models.',
    labelNames: ['model', 'status'],
    registers: [registry],
  })
  return {
    set(rows) {
      for (const model of modelLabels) for (const status of jobStatuses) jobs.set({ model, status }, 0)
      for (const { model, status, count } of rows) {
        // A model that was in the catalogue once counts as other.
        jobs.inc({ model: modelLabels.includes(model) ? model : otherModels, status }, count)
      }
    },
  }
}

/** How many of something wait, and how long the first of those that are due has. */
function waitingPair(registry: Registry, countName: string, ageName: string, what: string) {
  const registers = [registry]
  const count = new Gauge({ name: countName, help: `How many ${what}; 20000 means 20000 or more.`, registers })
  const age = new Gauge({
    name: ageName,
    help: `How long the first of the ${what} has been due; 0 where none is due.`,
    registers,
  })
  return {
    set(waiting: Waiting, now: number): void {
      count.set(waiting.count)
      age.set(waiting.firstDueAt === null ? 0 : Math.max(0, now - waiting.firstDueAt) / 1_000)
    },
  }
}

/** What the data folder takes, and what is left for it. */
export function diskFigures(databasePath: string): Figures {
  const registry = new Registry()
  const registers = [registry]
  const database = new Gauge({
    name: 'darkroom_database_bytes',
    help: 'Size of the database file, without its log.',
    registers,
  })
  const log = new Gauge({
    name: 'darkroom_wal_bytes',
    help: "Size of the database's write-ahead log. It is written back and used again from 16 MB on.",
    registers,
  })
  const free = new Gauge({
    name: 'darkroom_disk_free_bytes',
    help: 'What the service may still write on the disk of DATA_DIR.',
    registers,
  })
  const total = new Gauge({ name: 'darkroom_disk_size_bytes', help: 'Size of the disk of DATA_DIR.', registers })
  return {
    registry,
    async read() {
      const disk = await statfs(databasePath)
      free.set(disk.bavail * disk.bsize)
      total.set(disk.blocks * disk.bsize)
      database.set((await stat(databasePath)).size)
      log.set((await stat(`${databasePath}-wal`)).size)
    },
  }
}

/** What is known without a look at anything. */
export function stateFigures(state: { maxInFlight: number; isPaused: () => boolean; version: string }): Figures {
  const registry = new Registry()
  const registers = [registry]
  new Gauge({ name: 'darkroom_max_in_flight', help: 'The setting MAX_IN_FLIGHT.', registers }).set(state.maxInFlight)
  const paused = new Gauge({
    name: 'darkroom_submitting_paused',
    help: '1 while nothing is submitted because the provider refuses the account.',
    registers,
  })
  const build = new Gauge({
    name: 'darkroom_build_info',
    help: 'The version of the service.',
    labelNames: ['version'],
    registers,
  })
  build.set({ version: state.version }, 1)
  return { registry, read: () => paused.set(state.isPaused() ? 1 : 0) }
}
