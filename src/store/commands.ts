import type Database from 'better-sqlite3'
import type { Moves } from './tally.ts'
import { deliveryCommands } from './write-deliveries.ts'
import { imageCommands } from './write-images.ts'
import { jobCommands } from './write-jobs.ts'
import { retentionCommands } from './write-retention.ts'
import { taskCommands } from './write-tasks.ts'
import { waiterCommands } from './write-waiters.ts'
import { waitCommands } from './write-waits.ts'

/** Called with the id of each job that a write changed. */
export type Changed = (jobId: string) => void

/**
 * Everything that may be written, by name. Each command is one step of a group's transaction: it sees what those before it
 * wrote, and is undone alone where it throws.
 */
export function makeCommands(database: Database.Database, changed: Changed, tally: Moves) {
  return {
    ...jobCommands(database, changed),
    ...waiterCommands(database),
    ...taskCommands(database, changed, tally),
    ...imageCommands(database, changed),
    ...retentionCommands(database, changed),
    ...deliveryCommands(database, changed),
    ...waitCommands(database),
  }
}

/** For the thread that cannot prepare them to know them by. */
export const commandNames = [
  'createJob',
  'saveAnswer',
  'claimAnswer',
  'waiterGone',
  'recoverWaiters',
  'cancelJob',
  'deleteJob',
  'claimTasks',
  'taskSubmitted',
  'taskRefused',
  'taskReleased',
  'taskUnconfirmed',
  'recoverClaims',
  'applyResult',
  'callbackMalformed',
  'taskPolled',
  'expireDue',
  'imageCopied',
  'imageCopyFailed',
  'inputStored',
  'dropJobs',
  'dropIdempotencyKeys',
  'claimDeliveries',
  'deliveryAttempted',
  'deliveryPostponed',
  'recoverDeliveries',
  'redeliver',
  'clampWaits',
] as const satisfies readonly CommandName[]

export type Commands = ReturnType<typeof makeCommands>
export type CommandName = keyof Commands
export type CommandArgs<N extends CommandName> = Parameters<Commands[N]>[0]
export type CommandResult<N extends CommandName> = ReturnType<Commands[N]>
