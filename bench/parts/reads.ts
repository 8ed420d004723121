import { join } from 'node:path'
import type { Figure } from '../figures.ts'
import type { Generator, Run, Target } from '../load/generate.ts'
import { expect, getRequest, type Request } from '../load/protocol.ts'
import { p50, rateFigures } from '../load/rates.ts'
import type { Part } from '../part.ts'
import { inTurns } from '../rounds.ts'
import { databaseIn } from '../rows/database.ts'
import { apiKey } from '../rows/identity.ts'
import { jobsSpread, pageCursor, pageIds } from '../rows/look.ts'
import { copyStock } from '../rows/stock.ts'
import { rare } from '../rows/template.ts'
import { type Server, startDarkroom, startProgram } from '../servers.ts'
import { checkList, fetchJobs, saveAnswers } from './answers.ts'

export type ReadsPlan = {
  /** How many are stored. */
  jobs: number
  rounds: number
  perRound: number
  warmUp: number
  /** Read again and again. */
  hotJobs: number
  /** Read one after the other: more than the service keeps rendered. */
  spreadJobs: number
  deepPage: number
  /** How often each list is asked for in a round. */
  pages: number
}

const connections = 64
const pageSize = 20

const requestsOf = (paths: readonly string[], answers: ReadonlyMap<string, string>): Request[] =>
  paths.map(path => ({ head: getRequest(path, apiKey), answer: expect(200, answers.get(path) ?? '') }))

/** One path asked for again and again, one at a time. */
const listLoad = (answers: ReadonlyMap<string, string>, path: string, count: number) => ({
  connections: 1,
  requests: requestsOf([path], answers),
  count,
})

/** Status reads and lists while very many jobs are stored. */
export const reads: Part<ReadsPlan> = async (plan, { folder, later, generator, say }) => {
  const dataDir = join(folder, 'data')
  const databasePath = await databaseIn(dataDir)
  await copyStock(plan.jobs, databasePath, say)
  const hot = jobsSpread(databasePath, plan.hotJobs, 0.5).map(id => `/jobs/${id}`)
  const spread = jobsSpread(databasePath, plan.spreadJobs, 0).map(id => `/jobs/${id}`)
  const lists = listPaths(databasePath, plan.deepPage)
  const darkroom = await startDarkroom(later, dataDir)

  const answers = await fetchJobs(generator, darkroom, [...hot, ...spread])
  for (const path of Object.values(lists)) answers.set(path, await checkList(darkroom, path))
  checkPage(answers.get(lists.deep) ?? '', pageIds(databasePath, pageSize, (plan.deepPage - 1) * pageSize))
  const bare = await startProgram(later, 'rivals/bare', [await saveAnswers(join(folder, 'answers.json'), answers)])

  const figures: Figure[] = []
  for (const [what, paths] of [
    ['status reads of many jobs', spread],
    ['status reads of a few jobs', hot],
  ] as const) {
    const runs = await readInTurns(plan, requestsOf(paths, answers), { generator, darkroom, bare })
    figures.push(
      ...rateFigures(what, runs.darkroom, { name: 'bare Fastify', runs: runs.bare }, { rate: { of: 'ratio', least: 0.85 } }),
    )
  }
  figures.push(...(await listFigures(plan, lists, answers, { generator, darkroom, bare })))
  const bytes = answers.get(spread[0] ?? '')?.length
  return {
    figures,
    notes: [
      `${plan.jobs.toLocaleString('en')} jobs are stored; bare Fastify sends the same bytes (about ${bytes} for a job) from a Map in memory`,
      `many jobs: ${spread.length.toLocaleString('en')} of all ages, one after the other, so that each is read from the database; a few: ${hot.length}, again and again, which the service keeps ready; ${connections} connections`,
      `lists: pages of ${pageSize}, one request at a time; every answer's status, length and beginning were compared, and the pages' ids with the database`,
      `the rare model is that of ${rare.jobs} jobs, the rare status that of the same; they are older than most`,
    ],
  }
}

type On = { generator: Generator; darkroom: Server; bare: Target }

async function readInTurns(plan: ReadsPlan, requests: readonly Request[], { generator, darkroom, bare }: On) {
  let at = 0
  /** Goes on in the list where the same side left it, so that none is read again soon. */
  const get = (target: Target, from: number, count: number): Promise<Run> => {
    const some = Array.from({ length: count }, (_, index) => requests[(from + index) % requests.length]).filter(
      one => one !== undefined,
    )
    return generator.run(target, { connections, requests: some })
  }
  for (const target of [darkroom, bare]) await get(target, at, plan.warmUp)
  at += plan.warmUp
  const side = (target: Target) => (round: number) => get(target, at + round * plan.perRound, plan.perRound)
  return inTurns(plan.rounds, { darkroom: side(darkroom), bare: side(bare) })
}

type Lists = Record<'first' | 'deep' | 'status' | 'model' | 'rareStatus' | 'rareModel', string>

function listPaths(databasePath: string, deepPage: number): Lists {
  return {
    first: '/jobs',
    deep: `/jobs?cursor=${pageCursor(databasePath, pageSize * (deepPage - 1))}`,
    status: '/jobs?status=succeeded',
    model: '/jobs?model=nano-banana',
    rareStatus: `/jobs?status=${rare.status}`,
    rareModel: `/jobs?model=${rare.model}`,
  }
}

function checkPage(text: string, ids: readonly string[]): void {
  const page = JSON.parse(text) as { data: { id: string }[] } // checked by checkList
  const found = page.data.map(job => job.id)
  if (found.join() !== ids.join()) throw new Error(`the deep page holds ${found[0]} …, the database says ${ids[0]} …`)
}

async function listFigures(plan: ReadsPlan, lists: Lists, answers: ReadonlyMap<string, string>, on: On): Promise<Figure[]> {
  const ask = (target: Target, path: string, count: number) => async (): Promise<number> =>
    p50(await on.generator.run(target, listLoad(answers, path, count)))
  const { first, deep, status, model, rareStatus, rareModel } = lists
  await ask(on.darkroom, first, plan.pages)()
  await ask(on.bare, first, plan.pages)()
  const few = Math.min(3, plan.pages)
  const runs = await inTurns(plan.rounds, {
    first: ask(on.darkroom, first, plan.pages),
    deep: ask(on.darkroom, deep, plan.pages),
    bare: ask(on.bare, first, plan.pages),
    status: ask(on.darkroom, status, plan.pages),
    model: ask(on.darkroom, model, plan.pages),
    // These may be slow.
    rareStatus: ask(on.darkroom, rareStatus, few),
    rareModel: ask(on.darkroom, rareModel, few),
  })
  const toFirst = { name: 'first page', values: runs.first }
  const fast = { of: 'value', most: 5 } as const
  return [
    {
      name: 'first page of GET /jobs, p50 ms',
      darkroom: runs.first,
      against: { name: 'bare Fastify', values: runs.bare },
      aim: fast,
    },
    { name: `page ${plan.deepPage}, p50 ms`, darkroom: runs.deep, against: toFirst, aim: { of: 'ratio', least: 0.5, most: 2 } },
    { name: 'a status that most have, p50 ms', darkroom: runs.status, against: toFirst, aim: fast },
    { name: 'a model that many have, p50 ms', darkroom: runs.model, against: toFirst, aim: fast },
    { name: 'a rare status, p50 ms', darkroom: runs.rareStatus, against: toFirst, aim: fast },
    { name: 'a rare model, p50 ms', darkroom: runs.rareModel, against: toFirst, aim: fast },
  ]
}
