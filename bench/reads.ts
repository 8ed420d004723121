import { writeFile } from 'node:fs/promises'
import { printRates } from './callbacks.ts'
import { header, line } from './figures.ts'
import { getHead, type Measured, measure } from './load.ts'
import { apiKey, type PreparedTask } from './prepare.ts'
import type { Server } from './servers.ts'

export type ReadRounds = { rounds: number; perRound: number; warmUp: number }

const connections = 64

/** What the service answers for some jobs, kept as a file for bare Fastify to answer the same. */
export async function saveAnswers(darkroom: Server, tasks: readonly PreparedTask[], path: string): Promise<Map<string, string>> {
  const answers = new Map<string, string>()
  for (const { jobId } of tasks) {
    const answer = await fetch(`http://127.0.0.1:${darkroom.port}/jobs/${jobId}`, {
      headers: { authorization: `Bearer ${apiKey}` },
    })
    const text = await answer.text()
    if (answer.status !== 200 || !text.includes('"status":"succeeded"'))
      throw new Error(`job ${jobId} reads ${answer.status}: ${text}`)
    answers.set(jobId, text)
  }
  await writeFile(path, JSON.stringify(Object.fromEntries(answers)))
  return answers
}

/** Reads of finished jobs, one after the other of many. */
export async function reads(
  plan: ReadRounds,
  answers: ReadonlyMap<string, string>,
  on: { darkroom: Server; bare: Server },
): Promise<void> {
  const requests = [...answers].map(([jobId, text]) => ({ head: getHead(`/jobs/${jobId}`, apiKey), answer: text }))
  const get = (server: Server, count: number): Promise<Measured> => {
    let sent = 0
    const next = () => (sent < count ? (requests[sent++ % requests.length] ?? null) : null)
    return measure({ server, connections, next })
  }
  await get(on.darkroom, plan.warmUp)
  await get(on.bare, plan.warmUp)
  const darkroom: Measured[] = []
  const bare: Measured[] = []
  for (let round = 0; round < plan.rounds; round += 1) {
    darkroom.push(await get(on.darkroom, plan.perRound))
    bare.push(await get(on.bare, plan.perRound))
  }
  header('status reads', 'darkroom', 'bare Fastify', 'darkroom / bare')
  printRates(darkroom, bare)
  line(`  ${requests.length} finished jobs in turn, ${requests[0]?.answer.length} bytes each`)
}
