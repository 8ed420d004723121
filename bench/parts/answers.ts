import { writeFile } from 'node:fs/promises'
import type { Generator } from '../load/generate.ts'
import { getRequest } from '../load/protocol.ts'
import { apiKey } from '../rows/identity.ts'
import type { Server } from '../servers.ts'

type Shown = {
  id: string
  status: string
  created_at: string
  submitted_at: string | null
  completed_at: string
  result: { data: { url: string; sha256: string }[] } | null
  error: object | null
  tasks: { status: string; task_id: string | null }[]
}

const connections = 16

/** What is not right about a job that has ended, as the service shows it; null where all is well. */
function problemOf(job: Shown): string | null {
  const times = [job.created_at, job.submitted_at ?? job.created_at, job.completed_at]
  if (times.some(time => !(Date.parse(time) > 0)) || times.join() !== times.toSorted().join()) return 'its times are not in order'
  if (job.tasks.length !== 1 || job.tasks[0]?.status !== job.status) return 'its task is not where it is'
  if (job.status === 'succeeded' && job.result?.data[0]?.sha256.length !== 64) return 'it has no picture'
  if ((job.status === 'failed' || job.status === 'expired') !== (job.error !== null)) return 'its error does not fit'
  return null
}

/** What the service shows of jobs that have ended, by path. @throws Error where one of them is not well-formed. */
export async function fetchJobs(generator: Generator, darkroom: Server, paths: readonly string[]): Promise<Map<string, string>> {
  const requests = paths.map(path => ({
    head: getRequest(path, apiKey),
    answer: { status: 200, begins: `{"id":"${path.slice('/jobs/'.length)}"` },
  }))
  const { answers } = await generator.run(darkroom, { connections, requests, keepAnswers: true })
  for (const [index, { text }] of answers.entries()) {
    const problem = problemOf(JSON.parse(text) as Shown) // what is not so has no such fields, and is a problem
    if (problem !== null) throw new Error(`${paths[index]}: ${problem}: ${text}`)
  }
  return new Map(answers.map(({ text }, index) => [paths[index] ?? '', text]))
}

/** A page of a list, as text. @throws Error where it is not full of well-formed jobs, newest first. */
export async function checkList(darkroom: Server, path: string): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${darkroom.port}${path}`, { headers: { authorization: `Bearer ${apiKey}` } })
  const text = await answer.text()
  if (answer.status !== 200) throw new Error(`GET ${path} was answered with ${answer.status}: ${text}`)
  const { data } = JSON.parse(text) as { data: Shown[] } // as above
  const ids = data.map(job => job.id)
  const problem =
    data.length === 0 ? 'it is empty' : ids.join() === ids.toSorted().toReversed().join() ? null : 'it is not in order'
  const bad = problem ?? data.map(problemOf).find(found => found !== null)
  if (bad !== null && bad !== undefined) throw new Error(`GET ${path}: ${bad}`)
  return text
}

/** Keeps answers in a file for bare Fastify to answer the same. @returns its path. */
export async function saveAnswers(path: string, answers: ReadonlyMap<string, string>): Promise<string> {
  await writeFile(path, JSON.stringify(Object.fromEntries(answers)))
  return path
}
