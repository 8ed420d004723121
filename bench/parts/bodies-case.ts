import { mkdir } from 'node:fs/promises'
import { freemem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Later } from '../cleanup.ts'
import type { Generator } from '../load/generate.ts'
import { expect, postHead } from '../load/protocol.ts'
import { writeAndSync } from '../rivals/disk.ts'
import { inTurns } from '../rounds.ts'
import { type BigBody, mebibyte, takePicture } from '../rows/big-body.ts'
import type { PreparedTask } from '../rows/jobs.ts'
import { applied, callbackPath } from '../rows/waiting.ts'
import { type Server, startDarkroom, startProgram } from '../servers.ts'

/** One size, so many at once, so many in a round. */
export type Case = { body: BigBody; sizeMb: number; atOnce: number; count: number }

/** Picture bytes that became durable, MB a second, and the peak of memory over what the server had when it was idle. */
export type Round = { speed: number; grownMb: number }

/** `buffer` is null where the machine has too little memory for it. */
export type Runs = { darkroom: Round[]; buffer: Round[] | null; disk: Round[] }

export type Folders = { data: string; buffer: string; disk: string }

type Side = { server: Server; path: (task: PreparedTask) => string; folder: (task: PreparedTask) => string; idleBytes: number }
export type Sides = { darkroom: Side; buffer: Side }

/** Buffer-and-parse holds about so many times a body while it takes it. */
const bufferedTimes = 5

/** Starts both servers afresh, so that what an earlier size left in their memory is not in the next one's. */
export async function startSides(later: Later, folders: Folders, idleMs: number): Promise<Sides> {
  const darkroom = await startDarkroom(later, folders.data)
  const buffer = await startProgram(later, 'rivals/buffer-and-parse', [folders.buffer])
  await sleep(idleMs)
  const idle = (server: Server) => ({ server, idleBytes: server.figures.resident() })
  return {
    darkroom: { ...idle(darkroom), path: callbackPath, folder: task => join(folders.data, 'jobs', task.jobId) },
    buffer: { ...idle(buffer), path: task => `/callbacks/${task.jobId}`, folder: task => join(folders.buffer, task.jobId) },
  }
}

const speedOf = (one: Case, durationMs: number): number => ((one.count * one.body.picture.length) / mebibyte / durationMs) * 1_000

/** Sends one round of a case, and looks at every picture that it left. */
async function post(generator: Generator, side: Side, one: Case, tasks: readonly PreparedTask[]): Promise<Round> {
  side.server.figures.resetPeak()
  const requests = tasks.map(task => ({
    head: postHead(side.path(task), one.body.body.length),
    body: one.body.name,
    answer: expect(200, applied),
  }))
  const { durationMs } = await generator.run(side.server, { connections: one.atOnce, requests })
  const grownMb = (side.server.figures.peak() - side.idleBytes) / mebibyte
  for (const task of tasks) await takePicture(side.folder(task), one.body.sha256)
  return { speed: speedOf(one, durationMs), grownMb }
}

/** All rounds of a case, in turns; one before them warms up. `tasks`: enough for both. */
export async function runCase(
  rounds: number,
  one: Case,
  tasks: readonly PreparedTask[],
  sides: Sides,
  { folders, generator }: { folders: Folders; generator: Generator },
): Promise<Runs> {
  const some = (round: number) => tasks.slice(round * one.count, (round + 1) * one.count)
  const turns = {
    darkroom: (round: number) => post(generator, sides.darkroom, one, some(round)),
    disk: async () => ({ speed: speedOf(one, await writeAndSync(folders.disk, one.body.picture, one.count)), grownMb: 0 }),
  }
  const buffer = async (round: number): Promise<Round> => {
    for (const task of some(round)) await mkdir(sides.buffer.folder(task))
    return post(generator, sides.buffer, one, some(round))
  }
  if (one.atOnce * one.sizeMb * mebibyte * bufferedTimes > freemem()) {
    const runs = await inTurns(rounds + 1, turns)
    return { darkroom: runs.darkroom.slice(1), disk: runs.disk.slice(1), buffer: null }
  }
  const runs = await inTurns(rounds + 1, { ...turns, buffer })
  return { darkroom: runs.darkroom.slice(1), disk: runs.disk.slice(1), buffer: runs.buffer.slice(1) }
}
