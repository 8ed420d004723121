import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { spreadOf } from '../figures.ts'
import type { Run, Target } from '../load/generate.ts'
import { expect, postHead, type Request } from '../load/protocol.ts'
import { aSecond, rateFigures } from '../load/rates.ts'
import type { Part } from '../part.ts'
import { prepareByHand, succeededByHand } from '../rivals/by-hand-data.ts'
import { inTurns } from '../rounds.ts'
import { checkSucceeded } from '../rows/check.ts'
import { databaseIn } from '../rows/database.ts'
import type { PreparedTask } from '../rows/jobs.ts'
import { addWaiting, applied, callbackPath } from '../rows/waiting.ts'
import { startDarkroom, startProgram } from '../servers.ts'
import { type PictureHost, pictureOf, startPictureHost } from '../stand-ins/picture-host.ts'

export type CallbacksPlan = { rounds: number; perRound: number; warmUp: number; whileCopying: number }

const connections = 64
const bodyBytes = 512
const pictureBytes = 64 * 1_024

function bodyOf(task: PreparedTask, pictureUrl: string): string {
  const body = (prompt: string): string => {
    const picture = { url: `${pictureUrl}/${task.providerTaskId}.png`, revised_prompt: prompt }
    const data = { created: 1_777_048_863, data: [picture] }
    return JSON.stringify({ success: true, task_id: task.providerTaskId, trace_id: `trace-${task.taskId}`, data })
  }
  return body('x'.repeat(Math.max(0, bodyBytes - body('').length)))
}

function requestOf(task: PreparedTask, host: PictureHost): Request {
  const body = bodyOf(task, host.url)
  return { head: postHead(callbackPath(task), body.length) + body, answer: expect(200, applied) }
}

/** Durable callbacks with a URL in them, each the first for its task. */
export const callbacks: Part<CallbacksPlan> = async (plan, { folder, later, generator }) => {
  const dataDir = join(folder, 'data')
  const handPath = join(folder, 'by-hand.db')
  const measured = plan.warmUp + plan.rounds * plan.perRound
  const host = await startPictureHost(pictureOf(pictureBytes, randomBytes(pictureBytes)))
  later(() => host.close())
  const databasePath = await databaseIn(dataDir)
  const tasks = await addWaiting(databasePath, measured + plan.whileCopying)
  const first = tasks.slice(0, measured)
  prepareByHand(
    handPath,
    first.map(task => ({ ...task, token: callbackPath(task).slice('/callbacks/'.length) })),
  )
  const darkroom = await startDarkroom(later, dataDir)
  const bare = await startProgram(later, 'rivals/bare')
  const byHand = await startProgram(later, 'rivals/by-hand', [handPath])

  const post = (target: Target, from: number, count: number): Promise<Run> => {
    const requests = tasks.slice(from, from + count).map(task => requestOf(task, host))
    return generator.run(target, { connections, requests })
  }
  const side = (target: Target) => (round: number) => post(target, plan.warmUp + round * plan.perRound, plan.perRound)
  for (const target of [darkroom, bare, byHand]) await post(target, 0, plan.warmUp)
  const runs = await inTurns(plan.rounds, { darkroom: side(darkroom), bare: side(bare), byHand: side(byHand) })
  host.answer()
  const copying = await post(darkroom, measured, plan.whileCopying)

  checkSucceeded(databasePath, tasks)
  const kept = succeededByHand(handPath)
  if (kept !== measured) throw new Error(`the service that is written by hand kept ${kept} of ${measured} results`)
  const best = (rounds: readonly Run[]): number => spreadOf(rounds.map(aSecond)).max
  return {
    figures: [
      ...rateFigures('callbacks', runs.darkroom, { name: 'bare Fastify', runs: runs.bare }, aimsToBare),
      ...rateFigures('callbacks', runs.darkroom, { name: 'by hand', runs: runs.byHand }, { rate: { of: 'ratio', least: 5 } }),
    ],
    notes: [
      `bodies of ${bodyBytes} bytes with a URL, ${connections} connections, ${plan.perRound.toLocaleString('en')} callbacks a round, each the first for its task; Darkroom and the one by hand commit with synchronous=FULL before they answer`,
      `the best rounds compared: ${(best(runs.darkroom) / best(runs.bare)).toFixed(2)} of bare Fastify, ${(best(runs.darkroom) / best(runs.byHand)).toFixed(2)} of the one by hand`,
      `while the pictures of the earlier ones are copied: ${Math.round(aSecond(copying)).toLocaleString('en')} callbacks a second`,
      `all ${tasks.length.toLocaleString('en')} were answered with 200, and the rows of every one were looked at: succeeded, with its picture and its callback`,
    ],
  }
}

const aimsToBare = { rate: { of: 'ratio', least: 0.75 }, p99: { of: 'ratio', most: 2 } } as const
