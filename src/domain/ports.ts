import type { Source } from './job.ts'
import type { SubmitOutcome } from './provider.ts'

/** A file that is complete and durable in its job's folder. */
export type StoredFile = {
  /** Its name within the job's folder. */
  name: string
  sizeBytes: number
  /** 64 hex digits. */
  sha256: string
  /** By the file's own bytes: `text/plain` for a text or nothing, `application/octet-stream` for other bytes that we don't know. */
  contentType: string
  /** Pixels, of the picture as it is shown; null where its header could not be read. */
  width: number | null
  height: number | null
  /** What a file that no model takes is, in words, with what to do about it; left out if that cannot be told. */
  look?: string
}

/** A file being written. Exactly one of `finish` and `discard` ends it. */
export interface FileSink {
  /** Takes a copy of the bytes; the promise, where there is one, is to be awaited before the next write (backpressure). */
  write(chunk: Uint8Array): Promise<void> | undefined
  /** Makes the file durable under its final name. After a rejection nothing of it is left. */
  finish(): Promise<StoredFile>
  /** Removes what was written. Never rejects; may be called after a failed `write`. */
  discard(): Promise<void>
}

/** Where pictures lie: one folder for each job. */
export interface Blobs {
  /** Opens a new file in the job's folder. `label` begins its name: `in` or `out`. */
  create(jobId: string, label: string): FileSink
  /** Removes one file; one that is not there is no error. */
  remove(jobId: string, name: string): Promise<void>
  /** Removes a job's whole folder; one that is not there is no error. */
  removeJob(jobId: string): Promise<void>
  /** The folders that there are, in no order. */
  jobIds(): AsyncIterable<string>
  /** The names of what lies in a job's folder. Empty where there is no folder. */
  files(jobId: string): Promise<string[]>
  /**
   * For how long nobody has touched a job's folder or anything in it, in ms; Infinity where there is no folder. What keeps the
   * files has a clock of its own, which no other is compared with: what this process itself touched it knows by its uptime.
   */
  leftAloneForMs(jobId: string): Promise<number>
  /** Gives another job the same finished file under the same name, durably. */
  link(fromJobId: string, name: string, toJobId: string): Promise<void>
  /**
   * Gives the path of a file made from another, next to it under its name and a suffix; makes it at its first use. It can be
   * made again, so it need not be durable.
   */
  derive(jobId: string, name: string, suffix: string, make: (from: string, to: string) => Promise<void>): Promise<string>
  /** Absolute path of a file, for streaming it out. */
  pathOf(jobId: string, name: string): string
}

/** The time, and a way to be called later: passed in, so that tests move it. */
export interface Clock {
  /** Milliseconds since 1970, UTC. */
  now(): number
  /** Calls `run` once after `delayMs`; the returned function calls it off. Does not keep the process alive. */
  after(delayMs: number, run: () => void): () => void
}

/** Where each thing that happened leaves one line: fields first, then its name, such as `callback.applied`. */
export interface Log {
  info(fields: object, event: string): void
  warn(fields: object, event: string): void
  error(fields: object, event: string): void
}

/** How a callback was answered: what became of its result, or why there was none. */
export const callbackAnswers = [
  'applied',
  'duplicate',
  'late',
  'malformed',
  'unknown_token',
  'too_large',
  'storage_full',
  'not_kept',
] as const
export type CallbackAnswer = (typeof callbackAnswers)[number]

/** How a request got another's job: a marked retry, one that is not marked, or a marked one beside a connection that waits too. */
export const claimKinds = ['marked', 'unmarked', 'joined'] as const
export type ClaimKind = (typeof claimKinds)[number]

/** A task's first result: what its model is counted as, and ms since its submit, null where that is not known. */
export type Arrival = { model: string; kind: 'succeeded' | 'failed'; waitedMs: number | null }

/** Is told of what happened, for those who watch the service. Never throws, and costs less than a microsecond. */
export interface Meter {
  /** How a submit ended. One that was silent for too long is `unconfirmed`, whatever it says later. */
  submitted(outcome: SubmitOutcome['kind']): void
  /** A callback was answered. `sizeBytes`: of a body that could be read, else 0. */
  callbackAnswered(answer: CallbackAnswer, sizeBytes: number, durationMs: number): void
  resultArrived(arrival: Arrival, source: Source): void
  /** A task was asked for at the provider. `failed`: there was no answer. */
  polled(outcome: 'finished' | 'unfinished' | 'failed'): void
  /** One POST was made to a client's address. `given_up`: it failed, and is not tried again. */
  deliveryAttempted(outcome: 'delivered' | 'failed' | 'given_up'): void
  /** A request of OpenAI's interface got the job of an earlier one. */
  claimed(kind: ClaimKind): void
  /** So many writes were committed together. */
  committed(writes: number, durationMs: number): void
  /** A request that is not a callback was answered. `route` is its pattern, or `unknown`. */
  requestAnswered(method: string, route: string, status: number, durationMs: number): void
}
