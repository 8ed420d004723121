import { randomBytes } from 'node:crypto'
import { checkRequest } from '../../src/domain/request.ts'
import type { NewJob } from '../../src/domain/store.ts'
import type { Commands } from '../../src/store/commands.ts'
import { owner } from './identity.ts'

export type PreparedTask = { taskId: number; jobId: string; providerTaskId: string }

export type JobWishes = { model?: string; owner?: string; webhook?: boolean; timeoutS?: number }

const hourMs = 3_600_000
const longestS = 7_200
const prompt = 'Turn the background into a quiet harbour at dusk and leave the two people as they are.'
/** No more rows are claimed at once than this, whatever is in flight. */
const maxInFlight = 10_000_000

/** A job as a shop's program would ask for it: one picture, by its URL. Checked as every request is. */
export function newJob(id: string, now: number, wishes: JobWishes = {}): NewJob {
  const timeoutS = wishes.timeoutS ?? longestS
  const asked = {
    prompt,
    model: wishes.model ?? 'gpt-image-2',
    image: 'https://pictures.example/in/5f0c1f2e.png',
    size: '1024x1536',
    metadata: { order: '20931' },
    timeout_s: timeoutS,
    ...(wishes.webhook === true ? { webhook_url: 'https://hooks.example/darkroom' } : {}),
  }
  const fields = new Map(Object.entries(asked).map(([name, value]) => [name, [{ kind: 'json', value } as const]]))
  return {
    id,
    owner: wishes.owner ?? owner,
    request: checkRequest(fields, { jobTimeoutS: longestS, webhookUrlProblem: () => null }),
    // As if each were another request.
    fingerprint: randomBytes(32).toString('hex'),
    tasks: 1,
    retryOf: null,
    waiter: null,
    now,
    expiresAt: now + timeoutS * 1_000,
    idempotency: null,
  }
}

/** Claims all that is queued, as the step does that submits it. */
export function claim(commands: Pick<Commands, 'claimTasks'>, now: number): { taskId: number; jobId: string }[] {
  return commands.claimTasks({ by: 'bench', until: now + hourMs, now, maxInFlight, unconfirmedCountsMs: 0 })
}

export const providerIdOf = (taskId: number): string => `cb104e35-0000-4000-8000-${String(taskId).padStart(12, '0')}`
export const traceOf = (taskId: number): string => `trace-${String(taskId).padStart(12, '0')}`

/** Creates, claims and submits some jobs, as the steps would. */
export function submitJobs(commands: Commands, jobs: readonly NewJob[], now: number): PreparedTask[] {
  for (const job of jobs) commands.createJob(job)
  const claimed = claim(commands, now)
  if (claimed.length !== jobs.length) throw new Error(`${claimed.length} of ${jobs.length} prepared tasks could be claimed`)
  return claimed.map(({ taskId, jobId }) => {
    const providerTaskId = providerIdOf(taskId)
    commands.taskSubmitted({ taskId, providerTaskId, traceId: traceOf(taskId), now, pollAt: now + hourMs })
    return { taskId, jobId, providerTaskId }
  })
}

const provider = 'https://pictures.example/out'
const revisedPrompt = 'A quiet harbour at dusk, two people in front.'

/** What a callback brings, with the URL of a picture in it. */
export function resultOf({ taskId, providerTaskId }: PreparedTask, now: number) {
  const image = { url: `${provider}/${providerTaskId}.png`, file: null, revisedPrompt }
  const ids = { taskId: providerTaskId, traceId: traceOf(taskId) }
  return { kind: 'succeeded', created: Math.floor(now / 1_000), images: [image], ...ids } as const
}

/** That callback's body, as its row keeps it. */
export function receiptOf({ taskId, providerTaskId }: PreparedTask, now: number) {
  const picture = { url: `${provider}/${providerTaskId}.png`, revised_prompt: revisedPrompt }
  const data = { created: Math.floor(now / 1_000), data: [picture] }
  const body = JSON.stringify({ success: true, task_id: providerTaskId, trace_id: traceOf(taskId), data })
  return { sizeBytes: body.length, body }
}
