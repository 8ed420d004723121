import type { JobEventType } from './events.ts'
import type { JobStatus, TaskState, TaskStatus } from './job.ts'
import type { ClientCallback } from './request.ts'

/** A job as it is stored, with all that belongs to it. Times are milliseconds since 1970. */
export type JobRecord = {
  id: string
  /** The API key's name; '' where no keys are configured. */
  owner: string
  status: JobStatus
  model: string
  prompt: string
  params: Readonly<Record<string, unknown>>
  n: number
  metadata: Readonly<Record<string, string>>
  warnings: readonly string[]
  webhookUrl: string | null
  webhookEvents: readonly JobEventType[]
  fingerprint: string
  clientCallback: ClientCallback | null
  retryOf: string | null
  createdAt: number
  submittedAt: number | null
  completedAt: number | null
  expiresAt: number
  /** While queued: how many tasks leave before its first, as the turns stand when it is read; else null. */
  queuePosition: number | null
  tasks: readonly TaskRecord[]
  images: readonly ImageRecord[]
  inputs: readonly InputRecord[]
}

export type TaskRecord = TaskState & {
  id: number
  jobId: string
  position: number
  serverErrors: number
  dueAt: number
  polls: number
  expiresAt: number
}

/** What a picture's file is known to be; null where it is not here (yet). */
export type FileFacts = {
  file: string | null
  contentType: string | null
  sizeBytes: number | null
  sha256: string | null
  width: number | null
  height: number | null
}

export type ImageRecord = FileFacts & {
  /** Its index in URLs: in order of arrival, never changing. */
  position: number
  taskId: number
  /** It came after its task's final state. */
  late: boolean
  providerUrl: string | null
  /** When copying it is due (again); null: it is here, or that was given up. */
  copyAt: number | null
  /** Why its last copy failed: completes a sentence that begins with its URL, and is fit for a client; null: none failed. */
  copyError: string | null
  revisedPrompt: string | null
  /** Seconds since 1970, as the provider says. */
  created: number | null
  arrivedAt: number
}

export type InputRecord = FileFacts & { position: number; role: 'image' | 'mask'; url: string | null }

/** What became of a picture's copy. */
export function copyState({ file, copyAt }: Pick<ImageRecord, 'file' | 'copyAt'>): 'stored' | 'to_come' | 'given_up' {
  if (file !== null) return 'stored'
  return copyAt === null ? 'given_up' : 'to_come'
}

/** A task that its step may now submit; nobody else has it. */
export type ClaimedTask = { taskId: number; jobId: string; attempts: number }

/** What a callback or a poll needs to know of a task before it has a result. */
export type TaskRef = { taskId: number; jobId: string }

/** One picture to be copied from where the provider keeps it. */
export type DueCopy = {
  jobId: string
  position: number
  providerUrl: string
  /** Where `providerUrl` leads. */
  host: string
  /** How often that was tried, faults of our own not counted. */
  attempts: number
  copyAt: number
  arrivedAt: number
}

/** One task to be asked for at the provider. */
export type DuePoll = {
  taskId: number
  jobId: string
  providerTaskId: string | null
  polls: number
  status: TaskStatus
  submittedAt: number | null
  expiresAt: number
}

export const deliveryStatuses = ['pending', 'delivered', 'failed'] as const
export type DeliveryStatus = (typeof deliveryStatuses)[number]

export type DeliveryRecord = {
  /** The webhook-id. */
  id: string
  jobId: string
  /** `webhook`: a notice; `callback`: the result in the provider's own shape. */
  kind: 'webhook' | 'callback'
  type: JobEventType
  url: string
  status: DeliveryStatus
  createdAt: number
  attempts: readonly DeliveryAttempt[]
}

export type DeliveryAttempt = {
  at: number
  /** HTTP; null where there was no answer. */
  status: number | null
  durationMs: number
  /** The first kB of the answer, or why there was none. */
  answer: string | null
}

/** One POST to be made now; nobody else makes it. */
export type DueDelivery = Pick<DeliveryRecord, 'id' | 'jobId' | 'kind' | 'type' | 'url' | 'createdAt'> & {
  host: string
  attempts: number
}

export type EventRecord = { id: number; jobId: string; owner: string; type: string; at: number }

/** What became of a callback. */
export const callbackOutcomes = ['applied', 'duplicate', 'late', 'malformed'] as const
export type CallbackOutcome = (typeof callbackOutcomes)[number]

export type CallbackRecord = {
  receivedAt: number
  sizeBytes: number
  outcome: CallbackOutcome
  body: string | null
  file: string | null
}

export type IdempotencyRecord = {
  jobId: string
  fingerprint: string
  createdAt: number
  /** The job as it was answered; null while the first request is still under way. */
  answer: JobRecord | null
}
