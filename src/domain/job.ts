import type { Report, Usage } from './report.ts'
import type { ProviderError } from './result.ts'

export const taskStatuses = [
  'queued',
  'submitting',
  'submitted',
  'unconfirmed',
  'succeeded',
  'failed',
  'canceled',
  'expired',
] as const
export type TaskStatus = (typeof taskStatuses)[number]

export const jobStatuses = ['queued', 'processing', 'succeeded', 'failed', 'canceled', 'expired'] as const
export type JobStatus = (typeof jobStatuses)[number]

/** How a result arrived. */
export const sources = ['callback', 'poll', 'inline'] as const
export type Source = (typeof sources)[number]

/**
 * What a task may have cost. `none`: nothing was accepted, or what was accepted failed (failures are not billed);
 * `possible`: it left and may be running; `made`: a picture was made.
 */
export type Charge = 'none' | 'possible' | 'made'

/** What a task's moves read and change. Times are milliseconds since 1970. */
export type TaskState = {
  status: TaskStatus
  attempts: number
  charge: Charge
  providerTaskId: string | null
  traceId: string | null
  source: Source | null
  submittedAt: number | null
  completedAt: number | null
  /** Why it has no picture; of a task that may be running, what the provider said against its submit. */
  error: ProviderError | null
  /** A result came after the final state and was kept. */
  lateResultAt: number | null
  /** What its result says that it used. */
  usage: Usage | null
  /** What its result says that it cost, in millionths of a credit. */
  costMicroCredits: number | null
  /** The type of its record at the provider. */
  recordType: string | null
}

/** The provider's ids, and what it reports. */
type Told = { taskId: string | null; traceId: string | null } & Report

export type TaskEvent =
  | { type: 'claimed' }
  | ({ type: 'accepted'; error?: ProviderError | null } & Told)
  /** Certainly not accepted: it may be submitted again. */
  | { type: 'not_sent' }
  /** Certainly not accepted, and never will be. */
  | { type: 'refused'; error: ProviderError }
  | { type: 'unconfirmed'; error?: ProviderError | null }
  | ({ type: 'succeeded'; source: Source } & Told)
  /** `mayBeBilled`: it ended, but nobody says that it failed. */
  | ({ type: 'failed'; source: Source; error: ProviderError; mayBeBilled?: boolean } & Told)
  | { type: 'canceled' }
  | { type: 'expired' }

/** What became of an event. `late`: kept beside a final state that stays. `ignored`: nothing to do. */
export type MoveOutcome = 'applied' | 'duplicate' | 'late' | 'ignored'

export type Move = { outcome: MoveOutcome; task: TaskState }

/** From which states each event moves a task. Nothing leaves the four final ones. */
export const movesFrom: { readonly [E in TaskEvent['type']]: readonly TaskStatus[] } = {
  claimed: ['queued'],
  // Even a task that waits for another try: the provider may have it although it said that it had not, and two are two charges.
  accepted: ['queued', 'submitting', 'unconfirmed'],
  not_sent: ['submitting'],
  // A refusal that is read after the submit had been given up on, or found at the provider, is a certain answer all the same.
  refused: ['submitting', 'submitted', 'unconfirmed'],
  unconfirmed: ['submitting'],
  // A result may beat the submit's own answer, and may even follow an answer that said it was not accepted.
  succeeded: ['queued', 'submitting', 'submitted', 'unconfirmed'],
  failed: ['queued', 'submitting', 'submitted', 'unconfirmed'],
  canceled: ['queued', 'submitting', 'submitted', 'unconfirmed'],
  expired: ['queued', 'submitting', 'submitted', 'unconfirmed'],
}

export function isFinal(status: TaskStatus | JobStatus): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'canceled' || status === 'expired'
}

/**
 * The one table of a task's moves: what an event makes of a task. Final states stay; the first result wins;
 * a result that comes after another end is `late` and kept once.
 */
export function moveTask(task: TaskState, event: TaskEvent, now: number): Move {
  if (!movesFrom[event.type].includes(task.status)) return afterwards(task, event, now)
  const applied = (changes: Partial<TaskState>): Move => ({ outcome: 'applied', task: { ...task, ...changes } })
  switch (event.type) {
    case 'claimed':
      return applied({ status: 'submitting', attempts: task.attempts + 1, charge: 'possible' })
    case 'accepted':
      return applied({
        status: 'submitted',
        charge: 'possible',
        submittedAt: task.submittedAt ?? now,
        // What was said before it was known to be there holds no more.
        error: event.error ?? null,
        ...learned(task, event),
      })
    case 'not_sent':
      return applied({ status: 'queued', charge: 'none' })
    case 'refused':
      return applied({
        status: 'failed',
        charge: 'none',
        completedAt: now,
        error: event.error,
        traceId: task.traceId ?? event.error.traceId,
      })
    case 'unconfirmed':
      return applied({ status: 'unconfirmed', submittedAt: task.submittedAt ?? now, error: event.error ?? null })
    case 'succeeded':
      return applied({ status: 'succeeded', charge: 'made', error: null, ...ended(task, event, now) })
    case 'failed':
      return applied({
        status: 'failed',
        charge: event.mayBeBilled === true ? 'possible' : 'none',
        error: event.error,
        ...ended(task, event, now),
      })
    case 'canceled':
      return applied({ status: 'canceled', completedAt: now })
    case 'expired':
      return applied({ status: 'expired', completedAt: now })
    default:
      return event satisfies never
  }
}

/** What an event still tells of a task that it cannot move any more. The same object where it tells nothing new. */
function afterwards(task: TaskState, event: TaskEvent, now: number): Move {
  const duplicate = (told: Told): Move => ({ outcome: 'duplicate', task: changed(task, learned(task, told)) })
  const ignored = (changes: Partial<TaskState>): Move => ({ outcome: 'ignored', task: changed(task, changes) })
  switch (event.type) {
    case 'accepted':
      // The callback beat the answer, or the job was canceled meanwhile: the provider's id is still worth having.
      return ignored({ ...learned(task, event), submittedAt: task.submittedAt ?? now })
    case 'not_sent':
    case 'refused':
      // Of a task that goes on, only what ends it tells that nothing is billed.
      return ignored(isFinal(task.status) && task.charge === 'possible' ? { charge: 'none' } : {})
    case 'succeeded':
      if (task.status === 'succeeded' || task.lateResultAt !== null) return duplicate(event)
      return {
        outcome: 'late',
        task: { ...task, ...learned(task, event), ...reported(event), charge: 'made', lateResultAt: now },
      }
    case 'failed':
      // It tells nothing new where the outcome at the provider is known.
      if (task.charge !== 'possible' || event.mayBeBilled === true) return duplicate(event)
      return { outcome: 'late', task: { ...task, ...learned(task, event), charge: 'none' } }
    case 'unconfirmed':
      // What the provider said after the submit had been given up on.
      if (task.status === 'unconfirmed') return ignored({ error: task.error ?? event.error ?? null })
      // It ended while its submit was under way and may be running there: from this time on it is looked for.
      return ignored(task.charge === 'possible' ? { submittedAt: task.submittedAt ?? now } : {})
    case 'claimed':
    case 'canceled':
    case 'expired':
      return { outcome: 'ignored', task }
    default:
      return event satisfies never
  }
}

function changed(task: TaskState, changes: Partial<TaskState>): TaskState {
  const next = { ...task, ...changes }
  // The keys of an object of that very type.
  const isNews = (Object.keys(changes) as (keyof TaskState)[]).some(name => next[name] !== task[name])
  return isNews ? next : task
}

/** What the provider says of a task: of each thing, the first that we learn stays. */
function learned(task: TaskState, told: Told): Partial<TaskState> {
  return {
    providerTaskId: task.providerTaskId ?? told.taskId,
    traceId: task.traceId ?? told.traceId,
    usage: task.usage ?? told.usage ?? null,
    costMicroCredits: task.costMicroCredits ?? told.costMicroCredits ?? null,
    recordType: task.recordType ?? told.recordType ?? null,
  }
}

/** What a picture used and cost counts before what was said without it. */
function reported({ usage, costMicroCredits }: Report): Partial<TaskState> {
  return { ...(usage === undefined ? {} : { usage }), ...(costMicroCredits === undefined ? {} : { costMicroCredits }) }
}

function ended(task: TaskState, event: { source: Source } & Told, now: number): Partial<TaskState> {
  return { ...learned(task, event), source: event.source, submittedAt: task.submittedAt ?? now, completedAt: now }
}

/** A job's status follows from its tasks', and from nothing else. */
export function jobStatus(tasks: readonly TaskStatus[]): JobStatus {
  if (tasks.every(status => status === 'queued')) return 'queued'
  if (!tasks.every(isFinal)) return 'processing'
  // Only a cancel of the whole job cancels a task, so that one canceled task tells what its owner did.
  if (tasks.includes('canceled')) return 'canceled'
  if (tasks.includes('succeeded')) return 'succeeded'
  return tasks.includes('expired') ? 'expired' : 'failed'
}

export const billables = ['yes', 'no', 'unknown'] as const
export type Billable = (typeof billables)[number]

/** Whether the provider bills for a job: `yes` as soon as one picture was made, `no` where nothing can have been. */
export function billable(charges: readonly Charge[]): Billable {
  if (charges.includes('made')) return 'yes'
  return charges.includes('possible') ? 'unknown' : 'no'
}
