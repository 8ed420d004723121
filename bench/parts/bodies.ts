import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { withCleanup } from '../cleanup.ts'
import { medianOf } from '../figures.ts'
import type { Part } from '../part.ts'
import { type BigBody, bigBody, mebibyte } from '../rows/big-body.ts'
import { checkSucceeded } from '../rows/check.ts'
import { databaseIn } from '../rows/database.ts'
import { addWaiting } from '../rows/waiting.ts'
import { type Case, runCase, startSides } from './bodies-case.ts'
import { type Done, leftOut, memoryFigures, speedFigures } from './bodies-figures.ts'

export type BodiesPlan = {
  rounds: number
  sizesMb: readonly number[]
  atOnce: readonly number[]
  /** How many are sent in a round, one after the other, where one is sent at a time. */
  alone: number
  /** How long the servers are left alone before their idle memory is looked at. */
  idleMs: number
}

function casesOf(plan: BodiesPlan, body: BigBody, sizeMb: number): Case[] {
  return plan.atOnce.map(atOnce => ({ body, sizeMb, atOnce, count: Math.max(atOnce, plan.alone) }))
}

/** Callbacks that bring their picture along: against reading them whole, and against the disk alone. */
export const bodies: Part<BodiesPlan> = async (plan, { folder, generator }) => {
  const folders = { data: join(folder, 'data'), buffer: join(folder, 'buffer'), disk: join(folder, 'disk') }
  await Promise.all([folders.buffer, folders.disk].map(path => mkdir(path)))
  const databasePath = await databaseIn(folders.data)
  const all: Done[] = []
  const idleMb: number[] = []
  let sent = 0
  for (const sizeMb of plan.sizesMb) {
    const body = bigBody(sizeMb)
    await generator.keep(body.name, body.body)
    await withCleanup(async later => {
      const cases = casesOf(plan, body, sizeMb)
      // One more round of each, to warm up.
      const tasks = await addWaiting(databasePath, (plan.rounds + 1) * cases.reduce((sum, { count }) => sum + count, 0))
      const sides = await startSides(later, folders, plan.idleMs)
      idleMb.push(sides.darkroom.idleBytes / mebibyte)
      let used = 0
      for (const one of cases) {
        const mine = tasks.slice(used, (used += (plan.rounds + 1) * one.count))
        all.push({ one, runs: await runCase(plan.rounds, one, mine, sides, { folders, generator }) })
      }
      checkSucceeded(databasePath, tasks)
      sent += tasks.length
    })
  }
  return {
    figures: [...all.flatMap(speedFigures), ...memoryFigures(all)],
    notes: [
      ...leftOut(all),
      'MB are 2^20 bytes of the picture, which is three quarters of the body; they count when they are durable and answered',
      'the disk alone: Node writes the same pictures into new files, 1 MB at a time and synced (fdatasync), one file after the other',
      `memory: the peak of resident memory (VmHWM, reset before each round) over what was resident some seconds after the start (${Math.round(medianOf(idleMb))} MB); both servers are started afresh for each size`,
      `each of the ${sent.toLocaleString('en')} pictures was read back on both sides and is what was sent (sha256); every task has succeeded`,
    ],
  }
}
