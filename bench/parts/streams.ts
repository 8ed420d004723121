import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Figure } from '../figures.ts'
import { postHead } from '../load/protocol.ts'
import type { FromReaders, ToReaders } from '../load/reader.ts'
import type { Part } from '../part.ts'
import { figuresOf } from '../process-figures.ts'
import { inTurns } from '../rounds.ts'
import { checkSucceeded } from '../rows/check.ts'
import { databaseIn } from '../rows/database.ts'
import { addWaiting, callbackPath } from '../rows/waiting.ts'
import { type Server, startDarkroom, startProgram } from '../servers.ts'
import { pictureOf, startPictureHost } from '../stand-ins/picture-host.ts'

export type StreamsPlan = { rounds: number; readers: number }

const kibibyte = 1_024
const settleMs = 500
/** Of open files: what a process needs beside its readers. */
const otherFiles = 100

type Readers = { memoryEach: number; tell(message: ToReaders): Promise<FromReaders>; close(): Promise<void> }

/** Very many readers of `GET /events`, and a callback that all of them are to hear of. */
export const streams: Part<StreamsPlan> = async (plan, { folder, later }) => {
  const allowed = figuresOf(process.pid).maxOpenFiles()
  const readers = Math.min(plan.readers, Number.isNaN(allowed) ? plan.readers : allowed - otherFiles)
  const dataDir = join(folder, 'data')
  const databasePath = await databaseIn(dataDir)
  const tasks = await addWaiting(databasePath, plan.rounds + 1)
  // It keeps silent: no picture is copied while this is measured.
  const host = await startPictureHost(pictureOf(0, Buffer.alloc(0)))
  later(() => host.close())
  const darkroom = await startDarkroom(later, dataDir)
  const bare = await startProgram(later, 'rivals/bare')

  const connect = async (server: Server): Promise<Readers> => {
    await sleep(settleMs)
    const before = server.figures.proportional()
    const { child, close } = await startProgram(later, 'load/reader', [String(server.port), String(readers)])
    const gone = once(child, 'exit').then((): unknown[] => [null])
    await sleep(settleMs)
    const memoryEach = (server.figures.proportional() - before) / readers / kibibyte
    const tell = async (message: ToReaders): Promise<FromReaders> => {
      const told = Promise.race([once(child, 'message'), gone])
      child.send(message)
      const [times]: unknown[] = await told
      if (times === null) throw new Error('the readers ended by themselves')
      return times as FromReaders // from load/reader.ts
    }
    return { memoryEach, tell, close }
  }
  const sides = { darkroom: await connect(darkroom), bare: await connect(bare) }
  const callBack = (round: number): Promise<FromReaders> => {
    const task = tasks[round]
    if (task === undefined) throw new Error(`there is no task for round ${round}`)
    const body = callbackBody(task.providerTaskId, host.url)
    return sides.darkroom.tell({
      head: postHead(callbackPath(task), body.length) + body,
      needle: `event: job.succeeded\ndata: {"id":"${task.jobId}"`,
    })
  }
  const { text } = await callBack(0)
  const event = text.slice(text.indexOf('id: '), text.indexOf('\n\n', text.indexOf('event: job.succeeded')) + 2)
  const relay = (): Promise<FromReaders> => {
    const body = JSON.stringify({ text: event })
    return sides.bare.tell({ head: postHead('/events', body.length) + body, needle: 'event: job.succeeded' })
  }
  await relay()
  const runs = await inTurns(plan.rounds, { darkroom: round => callBack(round + 1), bare: relay })
  checkSucceeded(databasePath, tasks)
  return {
    figures: figuresFor(readers, sides, runs),
    notes: [
      `${readers.toLocaleString('en')} connections to GET /events, all of one key; a callback of one job, and each reader gets the job (${event.length} bytes)`,
      'bare Fastify relays the same bytes to as many, keeps nothing, and asks nobody',
      'memory is what the process has more (PSS) once they are connected; what the kernel keeps for a connection is not in it',
      ...(readers < plan.readers
        ? [`**fewer than ${plan.readers}**: this process may open only ${allowed} files (ulimit -n)`]
        : []),
    ],
  }
}

function figuresFor(
  readers: number,
  sides: { darkroom: Readers; bare: Readers },
  runs: { darkroom: FromReaders[]; bare: FromReaders[] },
): Figure[] {
  const each = (name: string, time: (run: FromReaders) => number): Figure => ({
    name,
    darkroom: runs.darkroom.map(time),
    against: { name: 'bare Fastify', values: runs.bare.map(time) },
  })
  const memory = { name: 'bare Fastify', values: [sides.bare.memoryEach] }
  return [
    { name: 'memory for each reader, kB', darkroom: [sides.darkroom.memoryEach], against: memory },
    each('from the callback to the first reader, ms', run => run.firstMs),
    each('to the middle one, ms', run => run.middleMs),
    each(`to the last of ${readers.toLocaleString('en')}, ms`, run => run.lastMs),
  ]
}

function callbackBody(providerTaskId: string, hostUrl: string): string {
  const data = { created: 1_777_048_863, data: [{ url: `${hostUrl}/${providerTaskId}.png`, revised_prompt: null }] }
  return JSON.stringify({ success: true, task_id: providerTaskId, data })
}
