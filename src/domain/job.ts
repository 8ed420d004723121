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
  error: ProviderError | null
  /** A result came after the final state and was kept. */
  lateResultAt: number | null
}

export type TaskEvent =
  | { type: 'claimed' }
  | { type: 'accepted'; taskId: string | null; traceId: string | null }
  /** Certainly not accepted: it may be submitted again. */
  | { type: 'not_sent' }
  /** Certainly not accepted, and never will be. */
  | { type: 'refused'; error: ProviderError }
  | { type: 'unconfirmed' }
  | { type: 'succeeded'; source: Source; taskId: string | null; traceId: string | null }
  | { type: 'failed'; source: Source; taskId: string | null; traceId: string | null; error: ProviderError }
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
      return applied({ status: 'submitted', charge: 'possible', submittedAt: task.submittedAt ?? now, ...identity(task, event) })
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
      return applied({ status: 'unconfirmed', submittedAt: task.submittedAt ?? now })
    case 'succeeded':
      return applied({ status: 'succeeded', charge: 'made', ...ended(task, event, now) })
    case 'failed':
      return applied({ status: 'failed', charge: 'none', error: event.error, ...ended(task, event, now) })
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
  const duplicate = (ids: { taskId: string | null; traceId: string | null }): Move => ({
    outcome: 'duplicate',
    task: changed(task, identity(task, ids)),
  })
  const ignored = (changes: Partial<TaskState>): Move => ({ outcome: 'ignored', task: changed(task, changes) })
  switch (event.type) {
    case 'accepted':
      // The callback beat the answer, or the job was canceled meanwhile: the provider's id is still worth having.
      return ignored({ ...identity(task, event), submittedAt: task.submittedAt ?? now })
    case 'not_sent':
    case 'refused':
      // Of a task that goes on, only what ends it tells that nothing is billed.
      return ignored(isFinal(task.status) && task.charge === 'possible' ? { charge: 'none' } : {})
    case 'succeeded':
      if (task.status === 'succeeded' || task.lateResultAt !== null) return duplicate(event)
      return { outcome: 'late', task: { ...task, ...identity(task, event), charge: 'made', lateResultAt: now } }
    case 'failed':
      // It tells nothing new where the outcome at the provider is known.
      if (task.charge !== 'possible') return duplicate(event)
      return { outcome: 'late', task: { ...task, ...identity(task, event), charge: 'none' } }
    case 'unconfirmed':
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
  return next.providerTaskId === task.providerTaskId &&
    next.traceId === task.traceId &&
    next.submittedAt === task.submittedAt &&
    next.charge === task.charge
    ? task
    : next
}

/** The provider's ids: the first that we learn stay. */
function identity(task: TaskState, event: { taskId: string | null; traceId: string | null }): Partial<TaskState> {
  return { providerTaskId: task.providerTaskId ?? event.taskId, traceId: task.traceId ?? event.traceId }
}

function ended(
  task: TaskState,
  event: { source: Source; taskId: string | null; traceId: string | null },
  now: number,
): Partial<TaskState> {
  return { ...identity(task, event), source: event.source, submittedAt: task.submittedAt ?? now, completedAt: now }
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
