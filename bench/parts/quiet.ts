import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Figure } from '../figures.ts'
import { type Generator, type Run, startGenerator } from '../load/generate.ts'
import { expect, getRequest, postHead } from '../load/protocol.ts'
import { p50, p99 } from '../load/rates.ts'
import type { Part } from '../part.ts'
import { inTurns } from '../rounds.ts'
import { bigBody, takePicture } from '../rows/big-body.ts'
import { checkSucceeded } from '../rows/check.ts'
import { databaseIn, withDatabase } from '../rows/database.ts'
import { apiKey } from '../rows/identity.ts'
import { jobsSpread } from '../rows/look.ts'
import { addEndedJobs } from '../rows/template.ts'
import { addWaiting, applied, callbackPath } from '../rows/waiting.ts'
import { startDarkroom } from '../servers.ts'
import { fetchJobs } from './answers.ts'

export type QuietPlan = {
  rounds: number
  bodyMb: number
  /** How many of them pour in at once, and how many of each, one after the other. */
  atOnce: number
  each: number
  /** How long reads are timed while nothing else happens. */
  quietMs: number
  jobsRead: number
}

/** A page that looks at its jobs: so many reads a second, whatever becomes of those before. */
const paced = { connections: 16, everyMs: 5 }
/** As fast as they can. */
const pressing = { connections: 16 }
const hourMs = 3_600_000

/** Status reads while large callbacks pour in, against the same when it is quiet. */
export const quiet: Part<QuietPlan> = async (plan, { folder, later, generator }) => {
  const dataDir = join(folder, 'data')
  const databasePath = await databaseIn(dataDir)
  await withDatabase(databasePath, database => addEndedJobs(database, plan.jobsRead * 2, Date.now() - hourMs, hourMs / 2))
  const paths = jobsSpread(databasePath, plan.jobsRead, 0).map(id => `/jobs/${id}`)
  const perRound = plan.atOnce * plan.each
  const tasks = await addWaiting(databasePath, (plan.rounds * 2 + 1) * perRound)
  const darkroom = await startDarkroom(later, dataDir)
  const pourer = await startGenerator(later)
  const body = bigBody(plan.bodyMb)
  await pourer.keep(body.name, body.body)
  const answers = await fetchJobs(generator, darkroom, paths)
  const requests = paths.map(path => ({ head: getRequest(path, apiKey), answer: expect(200, answers.get(path) ?? '') }))

  /** Reads for as long as something else takes. */
  const readDuring = async (how: object & { connections: number }, other: () => Promise<unknown>): Promise<Run> => {
    const reading = generator.run(darkroom, { ...how, requests, untilStopped: true })
    await Promise.race([other(), reading])
    generator.stop()
    return reading
  }
  const readWhilePouring = async (how: object & { connections: number }, from: number): Promise<Run> => {
    const some = tasks.slice(from, from + perRound)
    const run = await readDuring(how, () => pourInto(pourer, darkroom, some, plan.atOnce, body))
    for (const task of some) await takePicture(join(dataDir, 'jobs', task.jobId), body.sha256)
    return run
  }
  const half = plan.rounds * perRound
  // Warms up both sides, as in the other parts.
  await readDuring(paced, () => sleep(plan.quietMs))
  await readWhilePouring(paced, half * 2)
  const runs = await inTurns(plan.rounds, {
    quiet: () => readDuring(paced, () => sleep(plan.quietMs)),
    pouring: round => readWhilePouring(paced, round * perRound),
    quietPressed: () => readDuring(pressing, () => sleep(plan.quietMs)),
    pouringPressed: round => readWhilePouring(pressing, half + round * perRound),
  })
  checkSucceeded(databasePath, tasks)
  return {
    figures: [
      ...pairOf(`reads, one every ${paced.everyMs} ms`, runs.pouring, runs.quiet),
      ...pairOf(`reads, ${pressing.connections} at a time without a pause`, runs.pouringPressed, runs.quietPressed),
    ],
    notes: [
      `while it pours: ${plan.atOnce} callbacks of ${plan.bodyMb} MB at once, ${plan.each} times; ${plan.jobsRead} jobs are read in turn, each answer is compared`,
      'one round of each before the first warms up',
      'a read that was due before a connection was free counts from when it was due',
      `all ${tasks.length.toLocaleString('en')} pictures were read back and are what was sent (sha256)`,
    ],
  }
}

function pairOf(what: string, pouring: readonly Run[], still: readonly Run[]): Figure[] {
  const against = (figure: (run: Run) => number) => ({ name: 'quiet', values: still.map(figure) })
  return [
    { name: `${what}, p50 ms`, darkroom: pouring.map(p50), against: against(p50) },
    { name: `${what}, p99 ms`, darkroom: pouring.map(p99), against: against(p99), aim: { of: 'ratio', most: 3 } },
  ]
}

async function pourInto(
  pourer: Generator,
  target: Parameters<Generator['run']>[0],
  tasks: readonly { taskId: number; jobId: string; providerTaskId: string }[],
  connections: number,
  body: { name: string; body: Buffer },
): Promise<void> {
  const requests = tasks.map(task => ({
    head: postHead(callbackPath(task), body.body.length),
    body: body.name,
    answer: expect(200, applied),
  }))
  await pourer.run(target, { connections, requests })
}
