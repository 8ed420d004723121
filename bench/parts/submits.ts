import { once } from 'node:events'
import { join } from 'node:path'
import { type Figure, quantile } from '../figures.ts'
import { postHead } from '../load/protocol.ts'
import type { Part } from '../part.ts'
import { inTurns } from '../rounds.ts'
import { databaseIn } from '../rows/database.ts'
import { endSubmitted } from '../rows/end.ts'
import { apiKey } from '../rows/identity.ts'
import { startDarkroom, startProgram } from '../servers.ts'

export type SubmitsPlan = {
  rounds: number
  atOnce: readonly number[]
  perRound: number
  /** Where one is sent at a time. */
  perRoundAlone: number
  /** How long the provider takes to answer. */
  providerMs: number
}

type Round = { addedMs: Float64Array; providerMs: Float64Array }

const body = JSON.stringify({
  prompt: 'Turn the background into a quiet harbour at dusk and leave the two people as they are.',
  image: 'https://pictures.example/in/5f0c1f2e.png',
  size: '1024x1536',
  metadata: { order: '20931' },
})
const request = { head: postHead('/jobs', body.length, apiKey) + body, answer: { status: 202, begins: '{"id":"job_' } }

/** POST /jobs: what is added to the provider's own answer time, each request's own. */
export const submits: Part<SubmitsPlan> = async (plan, { folder, later, generator }) => {
  const dataDir = join(folder, 'data')
  const databasePath = await databaseIn(dataDir)
  const provider = await startProgram(later, 'stand-ins/provider', [String(plan.providerMs)])
  const darkroom = await startDarkroom(later, dataDir, {
    PROVIDER_BASE_URL: `http://127.0.0.1:${provider.port}`,
    // None is ever held back here: what waits for a place is answered at once, and says nothing.
    MAX_IN_FLIGHT: '100000',
  })
  let ended = 0

  async function submit(connections: number): Promise<Round> {
    const count = connections === 1 ? plan.perRoundAlone : plan.perRound
    const { answers } = await generator.run(darkroom, { connections, requests: [request], count, keepAnswers: true })
    const timesMs = await timesOf(provider.child)
    const pairs = answers.map(({ text, latencyMs }) => {
      const job = JSON.parse(text) as { status: string; task_id: string | null } // a wrong one has no time below
      const providerMs = timesMs[job.task_id ?? '']
      if (job.status !== 'processing' || providerMs === undefined)
        throw new Error(`a job was not submitted before its answer: ${text}`)
      return { providerMs, addedMs: latencyMs - providerMs }
    })
    // Their places at the provider are free again, as after a callback.
    ended = await endSubmitted(darkroom, databasePath, generator)
    const sorted = (value: (pair: (typeof pairs)[number]) => number): Float64Array =>
      Float64Array.from(pairs.map(value)).toSorted()
    return { addedMs: sorted(pair => pair.addedMs), providerMs: sorted(pair => pair.providerMs) }
  }

  for (const atOnce of plan.atOnce) await submit(atOnce)
  const sides = Object.fromEntries(plan.atOnce.map(atOnce => [String(atOnce), () => submit(atOnce)]))
  const runs = await inTurns(plan.rounds, sides)
  const sent = (plan.rounds + 1) * plan.atOnce.reduce((sum, one) => sum + (one === 1 ? plan.perRoundAlone : plan.perRound), 0)
  if (ended !== sent) throw new Error(`${sent} jobs were taken, but ${ended} could be ended by their callback`)
  return {
    figures: plan.atOnce.flatMap(atOnce => figuresOf(atOnce, runs[String(atOnce)] ?? [])),
    notes: [
      `the provider is a process of its own that answers after ${plan.providerMs} ms; what is added is a request's whole time less what the provider measured for its submit`,
      'each answer is given after the job and its claim are durable, the provider has answered and that is durable too: two commits, one after the other',
      `all ${sent.toLocaleString('en')} requests were answered with 202 and the provider's task_id, and every job was ended by a callback`,
    ],
  }
}

function figuresOf(atOnce: number, rounds: readonly Round[]): Figure[] {
  return ([0.5, 0.99] as const).map(part => {
    const most = part === 0.5 ? 3 : 20
    return {
      name: `added, ${atOnce} at once, p${part * 100} ms`,
      darkroom: rounds.map(round => quantile(round.addedMs, part)),
      against: { name: 'the provider itself', values: rounds.map(round => quantile(round.providerMs, part)) },
      ...(atOnce === 16 ? { aim: { of: 'value', most } as const } : {}),
    }
  })
}

/** The provider's own times, by task. */
async function timesOf(provider: { send(message: object): boolean } & NodeJS.EventEmitter): Promise<Record<string, number>> {
  const told = once(provider, 'message')
  provider.send({})
  const [message]: unknown[] = await told
  return (message as { timesMs: Record<string, number> }).timesMs // from stand-ins/provider.ts
}
