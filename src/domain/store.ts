import type { JobStatus, MoveOutcome, Source } from './job.ts'
import type { Arrival, ClaimKind, StoredFile } from './ports.ts'
import type {
  CallbackRecord,
  ClaimedTask,
  DeliveryAttempt,
  DeliveryRecord,
  DueCopy,
  DueDelivery,
  DuePoll,
  EventRecord,
  IdempotencyRecord,
  JobRecord,
  TaskRef,
} from './records.ts'
import type { JobRequest } from './request.ts'
import type { ProviderError, Result } from './result.ts'

export type JobFilter = {
  /** null: everybody's. */
  owner: string | null
  status: JobStatus | null
  model: string | null
  /** Only jobs older than this one. */
  before: string | null
  /** Only jobs created in this time, both ends included. */
  createdFrom?: number | null
  createdTo?: number | null
  /** So many are passed over. */
  offset?: number
  limit: number
}

export type NewJob = {
  id: string
  owner: string
  request: JobRequest
  fingerprint: string
  tasks: number
  retryOf: string | null
  now: number
  expiresAt: number
  /** The connection that is held for its answer: until one was given it, a retry may claim the job. null: none may. */
  waiter: Waiter | null
  /** `expiresBefore`: a key older than this no longer holds. */
  idempotency: { key: string; expiresBefore: number } | null
}

/** A connection that is held for a job's answer. */
export type Waiter = {
  /** An id of ours. */
  connection: string
  /** The process that has it. */
  by: string
  /** How often its client asked before, as its request says; 0: not marked as a retry. */
  count: number
  /** The client's address, where no keys are configured. */
  caller: string | null
}

export type Created = { kind: 'created' } | { kind: 'exists'; jobId: string; fingerprint: string }

/** What became of a result. `unknown`: no such task (any more). */
export type Applied = {
  outcome: Exclude<MoveOutcome, 'ignored'> | 'unknown'
  jobId: string | null
  /** Whether rows now name the files that came with it; where not, they are the caller's to remove. */
  kept: boolean
  /** null: it changed nothing, because the task had its end already. */
  arrived: Arrival | null
}

/** What is noted of a callback beside its result. The body is without its pictures. */
export type Receipt = { sizeBytes: number; body: string }

/** What waits: how many, 20,000 at most, and when the first of it is or was due; null: nothing waits. */
export type Waiting = { count: number; firstDueAt: number | null }

/** What there is at one moment. */
export type StoreFigures = {
  /** By what their model is counted as. One that is not here has none. */
  jobs: readonly { model: string; status: JobStatus; count: number }[]
  /** Tasks to be submitted. */
  queue: Waiting
  /** Pictures to be copied from where the provider keeps them. */
  copies: Waiting
  /** Deliveries to be made, those under way too. */
  deliveries: Waiting
  /** Tasks that may be running, 20,000 at most. */
  unconfirmed: number
  /** Tasks that take room at the provider. */
  inFlight: number
  /** Of the pictures that rows name. A retry shares its inputs with the job before it, and each counts them. */
  storedBytes: { input: number; output: number }
  /** Writes that are not committed yet. */
  writesWaiting: number
}

/** Who claims, and until when that holds; how many tasks may run at the provider. */
export type Claim = {
  by: string
  until: number
  now: number
  maxInFlight: number
  unconfirmedCountsMs: number
  /** No more than this at once, where it is given. */
  limit?: number
}

/**
 * Where jobs live. Every method is one whole transaction; a write resolves when it is durable. Times are milliseconds since 1970.
 *
 * Every write may throw ServiceError: `storage_full` (nothing of it was kept), `unavailable` (it may or may not have been kept).
 */
export interface JobStore {
  job(id: string): Promise<JobRecord | null>
  /** The jobs that have a task of this id at the provider: nearly always one. */
  jobsByProviderTask(providerTaskId: string): Promise<JobRecord[]>
  /** Newest first. */
  jobs(filter: JobFilter): Promise<JobRecord[]>
  /** How many a filter matches, whatever its offset and limit; 10,000 where there are more. */
  countJobs(filter: JobFilter): Promise<number>
  /**
   * The jobs that have a task of this trace at the provider, or were sent in with it; the newest 100 of them.
   * @param owner null: everybody's.
   */
  jobsByTrace(traceId: string, owner: string | null): Promise<JobRecord[]>
  /**
   * Tasks that may be the one of a record at the provider, which was made at `at` under a client's own trace id: those that were
   * submitted with it, whose id there is not known. The newest 100.
   */
  tasksUnderTrace(a: { clientTraceId: string; at: number; slackMs: number }): Promise<TaskRef[]>
  /** How long the newest succeeded jobs took, from submit to end. */
  recentDurations(limit: number): Promise<{ model: string; size: string | null; durationMs: number }[]>
  taskRef(taskId: number): Promise<TaskRef | null>
  callbacks(jobId: string): Promise<CallbackRecord[]>
  idempotencyKey(owner: string, key: string): Promise<IdempotencyRecord | null>
  /** Throws where the store can't be read. */
  probe(): Promise<void>

  nextQueuedAt(): Promise<number | null>
  nextExpiryAt(): Promise<number | null>
  nextPollAt(): Promise<number | null>
  /** When the next picture is due to be copied, of those that are due after a time where it is given. */
  nextCopyAt(after?: number): Promise<number | null>
  duePolls(now: number, limit: number): Promise<DuePoll[]>
  /**
   * Pictures to be copied now: from each host at most `limit` that were not tried yet and as many that were, those due for longest,
   * so that none that is good waits behind a thousand of a host that is dead.
   */
  dueCopies(now: number, limit: number): Promise<DueCopy[]>

  /** Writes a job with its tasks and its idempotency key, or tells which job has the key already. */
  createJob(job: NewJob): Promise<Created>
  /**
   * Has a connection wait for the newest job of the same request, created after `createdAfter`, whose answer was never delivered
   * and for which nobody waits. One that is not marked as a retry gets only what a connection that ended after `endedAfter` did
   * not get, of the same caller, and nothing that ended unbilled. A marked one may join those who asked less often.
   */
  claimAnswer(a: {
    owner: string
    fingerprint: string
    waiter: Waiter
    createdAfter: number
    endedAfter: number
  }): Promise<{ jobId: string; kind: ClaimKind } | null>
  /** A connection that waited has ended. `delivered`: with the job's answer, so that nobody may claim it any more. */
  waiterGone(a: { jobId: string; connection: string; delivered: boolean; now: number }): Promise<void>
  /** The connections of all other processes have ended, with them: nobody knows who got what. Gives how many. */
  recoverWaiters(a: { by: string; now: number }): Promise<number>
  /** Keeps what the first request under a key was answered, for those that follow; nothing where the job is deleted. */
  saveAnswer(a: { owner: string; key: string; job: JobRecord }): Promise<void>
  cancelJob(a: { jobId: string; now: number }): Promise<'canceled' | 'final' | 'unknown'>
  /** Removes a final job with all its rows, and its idempotency key's answer; the key stays taken. False: it is not final, or not there. */
  deleteJob(a: { jobId: string }): Promise<boolean>

  /**
   * Takes the tasks whose turn it is, as many as there is room for at the provider. An unconfirmed task takes room for
   * `unconfirmedCountsMs`. What is claimed is durable before a byte of it leaves.
   */
  claimTasks(a: Claim): Promise<ClaimedTask[]>
  /** The provider took it. `error`: what it said against it all the same; `recordType`: of its record there. */
  taskSubmitted(a: {
    taskId: number
    providerTaskId: string | null
    traceId: string | null
    error?: ProviderError | null
    recordType?: string | null
    now: number
    pollAt: number | null
  }): Promise<MoveOutcome | null>
  /** The provider refused it: final. */
  taskRefused(a: { taskId: number; error: ProviderError; now: number }): Promise<MoveOutcome | null>
  /** It certainly was not accepted, and waits for its next try. */
  taskReleased(a: { taskId: number; dueAt: number; serverError: boolean; now: number }): Promise<MoveOutcome | null>
  /** Nobody knows whether it was accepted: never submitted again. `error`: what the provider said of it, if anything. */
  taskUnconfirmed(a: {
    taskId: number
    error?: ProviderError | null
    now: number
    pollAt: number | null
  }): Promise<MoveOutcome | null>
  /**
   * Submits that died with their process, or outlived their lease: nobody knows whether they were accepted. Those that were
   * canceled meanwhile are asked for as well. Gives how many it made unconfirmed.
   */
  recoverClaims(a: { by: string; now: number; pollAt: number | null }): Promise<number>
  /** The one way in for a result, from wherever and whenever it comes. The first wins. */
  applyResult(a: {
    taskId: number
    result: Result
    source: Source
    now: number
    copyAt: number
    receipt: Receipt | null
  }): Promise<Applied>
  /** A callback that could not be read: noted, and its task asked for at once. False: not noted, the file is the caller's to remove. */
  callbackMalformed(a: { taskId: number; sizeBytes: number; file: string | null; now: number }): Promise<boolean>
  /** It was asked for and is still running, or unknown (`recordType` null). `pollAt` null: not to be asked for again. */
  taskPolled(a: { taskId: number; pollAt: number | null; recordType?: string | null }): Promise<void>
  /**
   * After the clock was set back: nothing waits for longer than it would if it began to wait now, be it a submit, a question, a
   * copy or a delivery. Gives for how many that was so.
   */
  clampWaits(a: { now: number; firstPollMs: number; pollEveryMs: number }): Promise<number>
  /** Ends what is past its deadline, so many at once. Gives how many. */
  expireDue(a: { now: number; limit: number }): Promise<number>

  /** A result's picture is now in the job's folder. False: it was already, or the job is gone; the file is the caller's to remove. */
  imageCopied(a: { jobId: string; position: number; file: StoredFile }): Promise<boolean>
  /** A copy did not succeed. `copyAt` null: given up. `reason` null: a fault of our own, which counts as no try. */
  imageCopyFailed(a: { jobId: string; position: number; copyAt: number | null; reason: string | null }): Promise<void>
  /** A picture that was given by URL is now in the job's folder. False: as above. */
  inputStored(a: { jobId: string; position: number; file: StoredFile }): Promise<boolean>

  deliveries(jobId: string): Promise<DeliveryRecord[]>
  nextDeliveryAt(): Promise<number | null>
  /** Takes what is due to be sent, but nothing to the hosts named. What is not settled by `until` is due again. */
  claimDeliveries(a: {
    by: string
    now: number
    until: number
    limit: number
    busyHosts: readonly string[]
  }): Promise<DueDelivery[]>
  /** Notes one attempt, and what becomes of its delivery. */
  deliveryAttempted(a: {
    id: string
    attempt: DeliveryAttempt
    status: 'pending' | 'delivered' | 'failed'
    dueAt: number | null
  }): Promise<void>
  /** What was taken cannot be sent yet. */
  deliveryPostponed(a: { id: string; dueAt: number }): Promise<void>
  /** What another process was sending when it died: due now. Only where no other lives. Gives how many. */
  recoverDeliveries(a: { by: string; now: number }): Promise<number>
  /** Sends a job's deliveries again that are over, or the one named, under the same ids. Gives how many. */
  redeliver(a: { jobId: string; id: string | null; now: number }): Promise<number>

  /** A job's history after an event's id, oldest first. */
  eventsOf(jobId: string, after: number, limit: number): Promise<EventRecord[]>
  /** The history of an owner's jobs, or of everybody's, after an event's id, oldest first. */
  eventsAfter(owner: string | null, after: number, limit: number): Promise<EventRecord[]>
  /** The newest event's id; 0 where there is none. */
  lastEventId(): Promise<number>
  /** When the newest event was written down; null where there is none. */
  lastEventAt(): Promise<number | null>

  /** For those who watch: read within a few ms, however much there is. */
  figures(a: { now: number; unconfirmedCountsMs: number }): Promise<StoreFigures>

  /** Until when nothing may be removed; null: nothing holds it back. */
  heldUntil(now: number): Promise<number | null>
  /** The files that a job's rows name; null where there is no such job. */
  filesOf(jobId: string): Promise<string[] | null>
  /** Removes jobs that ended before a time, with all their rows, unless a hold is on. Gives their ids; their folders are the caller's to remove. */
  dropJobs(a: { completedBefore: number; limit: number; now: number }): Promise<string[]>
  /** Forgets keys that no longer hold. Gives how many. */
  dropIdempotencyKeys(a: { createdBefore: number; limit: number }): Promise<number>

  /** Calls back with each job that a commit changed, before the write that changed it resolves. Gives a way to stop. */
  onChange(listener: (jobId: string) => void): () => void
  /** Commits what waits, and closes. */
  close(): Promise<void>
}
