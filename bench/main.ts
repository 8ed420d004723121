import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, open, rm, statfs } from 'node:fs/promises'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import packageOfFastify from 'fastify/package.json' with { type: 'json' }
import { type BigRounds, bigBodies, bigTasksNeeded } from './big-bodies.ts'
import { type CallbackRounds, callbacks, tasksNeeded } from './callbacks.ts'
import { line, quantile } from './figures.ts'
import { pictureOf, startPictureHost } from './picture-host.ts'
import { prepare } from './prepare.ts'
import { type ReadRounds, reads, saveAnswers } from './reads.ts'
import { type Server, startBare, startDarkroom } from './servers.ts'

type Plan = { callbacks: CallbackRounds; reads: ReadRounds; big: BigRounds; jobsRead: number }

const full: Plan = {
  callbacks: { rounds: 9, perRound: 4_000, warmUp: 6_000, whileCopying: 3_000 },
  reads: { rounds: 9, perRound: 6_000, warmUp: 8_000 },
  big: { rounds: 5, oneByOne: 4 },
  jobsRead: 500,
}
/** Only shows that it works: nothing is warm by then. */
const short: Plan = {
  callbacks: { rounds: 2, perRound: 1_500, warmUp: 1_000, whileCopying: 500 },
  reads: { rounds: 2, perRound: 2_000, warmUp: 1_000 },
  big: { rounds: 1, oneByOne: 1 },
  jobsRead: 50,
}

/** How long the disk under a folder takes to make 4 kB durable, which is what a commit waits for: the median, in ms. */
async function syncMs(folder: string): Promise<number> {
  const file = await open(join(folder, 'sync'), 'w')
  const block = randomBytes(4_096)
  const times: number[] = []
  for (let index = 0; index < 50; index += 1) {
    const startedAt = performance.now()
    await file.write(block)
    await file.datasync()
    times.push(performance.now() - startedAt)
  }
  await file.close()
  return quantile(
    times.toSorted((a, b) => a - b),
    0.5,
  )
}

/** Ends, last first, what was begun, also where something fails or the terminal interrupts. */
async function withCleanup(run: (later: (undo: () => Promise<unknown>) => void) => Promise<void>): Promise<void> {
  const undos: (() => Promise<unknown>)[] = []
  let cleaning: Promise<void> | null = null
  const cleanAll = async (): Promise<void> => {
    for (let undo = undos.pop(); undo !== undefined; undo = undos.pop()) await undo()
  }
  const clean = (): Promise<void> => (cleaning ??= cleanAll())
  let interrupted = false
  const interrupt = (): void => {
    interrupted = true
    void clean().finally(() => process.exit(130))
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt)
  try {
    await run(undo => undos.push(undo))
  } catch (error) {
    // What breaks because its servers are being closed is no news.
    if (!interrupted) throw error
  } finally {
    await clean()
  }
}

async function smallBodies(plan: Plan, folder: string, later: (undo: () => Promise<unknown>) => void): Promise<void> {
  const dataDir = join(folder, 'data')
  await mkdir(dataDir)
  const databasePath = join(dataDir, 'darkroom.db')
  const counts = { waiting: tasksNeeded(plan.callbacks), done: plan.jobsRead }
  line(`preparing ${(counts.waiting + counts.done).toLocaleString('en')} jobs …`)
  const prepared = prepare(databasePath, counts)
  const host = await startPictureHost(pictureOf(64 * 1_024, randomBytes(64 * 1_024)))
  later(() => host.close())
  const darkroom = await startDarkroom(dataDir)
  later(() => darkroom.close())
  const answersPath = join(folder, 'answers.json')
  const answers = await saveAnswers(darkroom, prepared.done, answersPath)
  const bare = await startBare(answersPath, folder)
  later(() => bare.close())
  await reads(plan.reads, answers, { darkroom, bare })
  line('')
  await callbacks(plan.callbacks, prepared.waiting, { darkroom, bare, host, databasePath })
  line('')
  await Promise.all([darkroom.close(), bare.close()])
}

async function big(plan: Plan, folder: string, later: (undo: () => Promise<unknown>) => void): Promise<void> {
  const dataDir = join(folder, 'big')
  const bareDir = join(folder, 'bare')
  await Promise.all([mkdir(dataDir), mkdir(bareDir)])
  const tasks = prepare(join(dataDir, 'darkroom.db'), { waiting: bigTasksNeeded(plan.big), done: 0 }).waiting
  const start = async (starting: Promise<Server>): Promise<Server> => {
    const server = await starting
    later(() => server.close())
    return server
  }
  const darkroom = await start(startDarkroom(dataDir))
  const bare = await start(startBare(join(folder, 'answers.json'), bareDir))
  const makeBareFolder = (name: string): Promise<unknown> => mkdir(join(bareDir, name))
  await bigBodies(plan.big, tasks, { darkroom, bare, dataDir, bareDir, makeBareFolder })
}

const isShort = process.argv.includes('--short')
const startedAt = performance.now()
await withCleanup(async later => {
  const folder = await mkdtemp(join(tmpdir(), 'darkroom-bench-'))
  later(() => rm(folder, { recursive: true, force: true }))
  const inMemory = (await statfs(folder)).type === 0x01021994
  line(
    `darkroom against bare Fastify ${packageOfFastify.version}, in turns; Node ${process.version}, ${cpus()[0]?.model ?? 'an unknown processor'}`,
  )
  line(`${availableParallelism()} processors, which the servers share with the load generator: with more, both sides do better`)
  line(
    `a sync of 4 kB takes ${(await syncMs(folder)).toFixed(2)} ms in ${folder}${inMemory ? ': MEMORY, nothing here is durable; set TMPDIR' : ''}`,
  )
  line(`64 connections, one request at a time on each; figures are the median (least–most) of the rounds\n`)
  await smallBodies(isShort ? short : full, folder, later)
  await big(isShort ? short : full, folder, later)
})
line(
  `\n${((performance.now() - startedAt) / 1_000).toFixed(0)} s${isShort ? '; in this short form nothing is warm: its figures say only that it works' : ''}`,
)
