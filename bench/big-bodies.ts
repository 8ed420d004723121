import { createHash, randomBytes } from 'node:crypto'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeSigner } from '../src/domain/signer.ts'
import { applied } from './callbacks.ts'
import { header, line, quantile, row } from './figures.ts'
import { type Measured, measure, postHead } from './load.ts'
import { pictureOf } from './picture-host.ts'
import { type PreparedTask, secret } from './prepare.ts'
import type { Server } from './servers.ts'

export type BigRounds = { rounds: number; oneByOne: number }

const mebibyte = 2 ** 20
const bodyBytes = 30 * mebibyte
const atOnce = 8

export const bigTasksNeeded = (plan: BigRounds): number => (plan.rounds + 1) * (plan.oneByOne + atOnce)

function makeBody(): { body: Buffer; sha256: string } {
  const [start, end] = ['{"success":true,"task_id":"cb104e35","data":{"created":1777048863,"data":[{"b64_json":"', '"}]}}']
  const pictureBytes = Math.floor((bodyBytes - start.length - end.length) / 4) * 3
  const picture = pictureOf(pictureBytes, randomBytes(pictureBytes))
  const body = Buffer.concat([Buffer.from(start), Buffer.from(picture.toString('base64')), Buffer.from(end)])
  return { body, sha256: createHash('sha256').update(picture).digest('hex') }
}

/** Looks at the one picture that there must be in a folder, and removes it. */
async function checkPicture(folder: string, sha256: string): Promise<void> {
  const names = await readdir(folder)
  const [name] = names
  if (name === undefined || names.length > 1) throw new Error(`there are ${names.length} files in ${folder}, one was expected`)
  const found = createHash('sha256')
    .update(await readFile(join(folder, name)))
    .digest('hex')
  if (found !== sha256) throw new Error(`${join(folder, name)} does not hold the bytes that were sent`)
  await rm(folder, { recursive: true })
}

/** One of the two, with what it needs to be sent to and looked at. */
type Side = {
  server: Server
  path: (task: PreparedTask) => string
  folder: (task: PreparedTask) => string
}

/** Callbacks that bring their picture along, 30 MB of base64: one after the other, then several at once. */
export async function bigBodies(
  plan: BigRounds,
  tasks: readonly PreparedTask[],
  on: { darkroom: Server; bare: Server; dataDir: string; bareDir: string; makeBareFolder(name: string): Promise<unknown> },
): Promise<void> {
  const signer = makeSigner([secret])
  const { body, sha256 } = makeBody()
  const token = (task: PreparedTask): string => signer.callbackToken(task.taskId)
  const sides: { darkroom: Side; bare: Side } = {
    darkroom: {
      server: on.darkroom,
      path: task => `/callbacks/${token(task)}`,
      folder: task => join(on.dataDir, 'jobs', task.jobId),
    },
    bare: {
      server: on.bare,
      path: task => `/pictures/${task.jobId}%2Fout`,
      folder: task => join(on.bareDir, task.jobId),
    },
  }

  async function post({ server, path, folder }: Side, some: readonly PreparedTask[], connections: number): Promise<Measured> {
    let next = 0
    const requests = some.map(task => ({ head: postHead(path(task), body.length), body, answer: applied }))
    const measured = await measure({ server, connections, next: () => requests[next++] ?? null })
    for (const task of some) await checkPicture(folder(task), sha256)
    return measured
  }

  type Round = { oneMs: number; allMs: number; grownMb: number }
  async function oneRound(side: Side, some: readonly PreparedTask[], idleBytes: number | null): Promise<Round> {
    const single = await post(side, some.slice(0, plan.oneByOne), 1)
    side.server.memory.resetPeak()
    const all = await post(side, some.slice(plan.oneByOne), atOnce)
    const peak = side.server.memory.peak()
    const grownMb = peak === null || idleBytes === null ? Number.NaN : (peak - idleBytes) / mebibyte
    return { oneMs: quantile(single.latenciesMs, 0.5), allMs: all.durationMs, grownMb }
  }

  for (const task of tasks) await on.makeBareFolder(task.jobId)
  const idle = { darkroom: on.darkroom.memory.now(), bare: on.bare.memory.now() }
  const darkroom: Round[] = []
  const bare: Round[] = []
  const perRound = plan.oneByOne + atOnce
  // The first is for warming up.
  for (let round = 0; round <= plan.rounds; round += 1) {
    const some = tasks.slice(round * perRound, (round + 1) * perRound)
    const measured = {
      darkroom: await oneRound(sides.darkroom, some, idle.darkroom),
      bare: await oneRound(sides.bare, some, idle.bare),
    }
    if (round === 0) continue
    darkroom.push(measured.darkroom)
    bare.push(measured.bare)
  }
  header('callbacks of 30 MB', 'darkroom', 'buffer and parse', 'darkroom / buffer')
  const each = (name: string, figure: (one: Round) => number): void => row(name, darkroom.map(figure), bare.map(figure))
  const megabytes = bodyBytes / mebibyte
  each('  one at a time, ms', one => one.oneMs)
  each('  one at a time, MB/s', one => (megabytes / one.oneMs) * 1_000)
  each(`  ${atOnce} at once, ms for all`, one => one.allMs)
  each(`  ${atOnce} at once, MB/s`, one => ((megabytes * atOnce) / one.allMs) * 1_000)
  each(`  ${atOnce} at once, MB over idle`, one => one.grownMb)
  line(`  every picture was read back, and is what was sent (sha256)`)
}
