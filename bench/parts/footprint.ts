import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { withCleanup } from '../cleanup.ts'
import type { Figure } from '../figures.ts'
import type { Part } from '../part.ts'
import { inTurns } from '../rounds.ts'
import { databaseIn } from '../rows/database.ts'
import { copyStock } from '../rows/stock.ts'
import { type Server, startDarkroom, startProgram } from '../servers.ts'

export type FootprintPlan = {
  jobs: number
  rounds: number
  /** How long it is left alone before its memory is looked at. */
  idleMs: number
  buildImage: boolean
}

const mebibyte = 2 ** 20
const buildWithinMs = 300_000

type Started = { readyMs: number; residentMb: number; proportionalMb: number }

/** How long it takes to start, and how much it takes of memory and disk. */
export const footprint: Part<FootprintPlan> = async (plan, { folder, say }) => {
  const fullDir = join(folder, 'full')
  const emptyDir = join(folder, 'empty')
  const databasePath = await databaseIn(fullDir)
  await copyStock(plan.jobs, databasePath, say)
  const { size } = await stat(databasePath)
  const look = (start: (later: Parameters<typeof startDarkroom>[0]) => Promise<Server>) => (): Promise<Started> =>
    withCleanup(async later => {
      const { readyAfterMs, figures } = await start(later)
      await sleep(plan.idleMs)
      return {
        readyMs: readyAfterMs,
        residentMb: figures.resident() / mebibyte,
        proportionalMb: figures.proportional() / mebibyte,
      }
    })
  const sides = {
    full: look(later => startDarkroom(later, fullDir)),
    empty: look(later => startDarkroom(later, emptyDir)),
    bare: look(later => startProgram(later, 'rivals/bare')),
  }
  // Once for the caches of the disk, where it is to tell anything.
  if (plan.rounds > 1) await inTurns(1, sides)
  const runs = await inTurns(plan.rounds, sides)
  const image = await imageOf(plan.buildImage)
  const stored: Figure = { name: 'data for a job, bytes', darkroom: [size / plan.jobs], aim: { of: 'value', most: 3_000 } }
  const imageFigure = typeof image === 'string' ? [] : [{ name: 'image, MB', darkroom: [image.megabytes] }]
  return {
    figures: [...startFigures(plan.jobs, runs), stored, ...imageFigure],
    notes: [
      'ready: from the start of the process to the first 200 of /readyz, asked every 5 ms; the files are in the system’s cache',
      `memory: of the process alone, ${plan.idleMs / 1_000} s after it was ready: resident (RSS) with all pages it shares, proportional (PSS) with its part of them`,
      'data for a job: the whole database with its indexes by the number of jobs; every fourth has a webhook that was delivered. Pictures are files beside it, and Idempotency-Keys, which go after a day, are not in it',
      ...(typeof image === 'string' ? [`image: skipped, ${image}`] : []),
    ],
  }
}

function startFigures(jobs: number, runs: Record<'full' | 'empty' | 'bare', Started[]>): Figure[] {
  const values = (side: keyof typeof runs, figure: (one: Started) => number): number[] => runs[side].map(figure)
  const full = jobs.toLocaleString('en')
  const each = (
    name: string,
    against: string,
    side: 'empty' | 'bare',
    figure: (one: Started) => number,
    most?: number,
  ): Figure => ({
    name,
    darkroom: values('full', figure),
    against: { name: against, values: values(side, figure) },
    ...(most === undefined ? {} : { aim: { of: 'value', most } }),
  })
  return [
    each(`start to ready with ${full} jobs, ms`, 'with none', 'empty', one => one.readyMs, 1_000),
    each('idle memory (RSS), MB', 'bare Fastify', 'bare', one => one.residentMb, 90),
    each('idle memory (PSS), MB', 'bare Fastify', 'bare', one => one.proportionalMb),
  ]
}

const run = promisify(execFile)

/** The size of the image that the Dockerfile makes; or why it is not known. */
async function imageOf(build: boolean): Promise<{ megabytes: number } | string> {
  if (!build) return 'it is not built in the short form'
  const root = join(import.meta.dirname, '..', '..')
  try {
    await run('docker', ['info'], { timeout: 10_000 })
  } catch {
    return 'there is no Docker here'
  }
  try {
    const { stdout: id } = await run('docker', ['build', '--quiet', root], { timeout: buildWithinMs })
    const { stdout: bytes } = await run('docker', ['image', 'inspect', '--format', '{{.Size}}', id.trim()])
    return { megabytes: Number(bytes) / mebibyte }
  } catch (error) {
    return `it could not be built: ${error instanceof Error ? error.message.split('\n', 1)[0] : String(error)}`
  }
}
