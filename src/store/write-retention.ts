import type Database from 'better-sqlite3'
import type { Changed } from './commands.ts'

export function retentionCommands(database: Database.Database, changed: Changed) {
  const held = database.prepare<{ now: number }, { one: number }>('select 1 as one from holds where until_at > @now limit 1')
  const dropJobs = database.prepare<{ completedBefore: number; limit: number }, { id: string }>(`
    delete from jobs where rowid in
      (select rowid from jobs where completed_at < @completedBefore order by completed_at limit @limit)
    returning id`)
  const dropKeys = database.prepare(`
    delete from idempotency_keys where (owner, key) in
      (select owner, key from idempotency_keys where created_at < @createdBefore order by created_at limit @limit)`)
  return {
    dropJobs(a: { completedBefore: number; limit: number; now: number }): string[] {
      // Asked in the same transaction: a hold that was set before it is never overlooked.
      if (held.get({ now: a.now }) !== undefined) return []
      const jobIds = dropJobs.all({ completedBefore: a.completedBefore, limit: a.limit }).map(row => row.id)
      for (const jobId of jobIds) changed(jobId)
      return jobIds
    },
    dropIdempotencyKeys(a: { createdBefore: number; limit: number }): number {
      return dropKeys.run(a).changes
    },
  }
}
