import { setImmediate } from 'node:timers/promises'
import type Database from 'better-sqlite3'
import type { DeliveryAttempt, DeliveryRecord, EventRecord } from '../domain/records.ts'

type AttemptRow = DeliveryAttempt & { deliveryId: string }

/** What was sent, and what is to be. */
export function deliveryReads(database: Database.Database) {
  const deliveries = database.prepare<{ jobId: string }, Omit<DeliveryRecord, 'attempts'>>(`
    select id, job_id as jobId, kind, type, url, status, created_at as createdAt
    from deliveries where job_id = @jobId order by created_at, id`)
  const attempts = database.prepare<{ jobId: string }, AttemptRow>(`
    select delivery_id as deliveryId, at, status, duration_ms as durationMs, answer
    from delivery_attempts where delivery_id in (select id from deliveries where job_id = @jobId) order by id`)
  const next = database.prepare<[], { at: number | null }>('select min(due_at) as at from deliveries where due_at is not null')
  return {
    async deliveries(jobId: string): Promise<DeliveryRecord[]> {
      const made = Map.groupBy(attempts.all({ jobId }), row => row.deliveryId)
      return deliveries.all({ jobId }).map(row => ({
        ...row,
        attempts: (made.get(row.id) ?? []).map(({ at, status, durationMs, answer }) => ({ at, status, durationMs, answer })),
      }))
    },
    async nextDeliveryAt(): Promise<number | null> {
      return next.get()?.at ?? null
    },
  }
}

/**
 * One owner's events are looked for among everybody's, in pieces between which requests get their turn: an index would have to be
 * written for each event, and is asked for only by a reader that was away for long.
 */
const eventsAtOnce = 10_000

/** What happened. */
export function eventReads(database: Database.Database) {
  const columns = 'id, job_id as jobId, owner, type, at'
  type After = { after: number; limit: number }
  const ofJob = database.prepare<After & { jobId: string }, EventRecord>(
    `select ${columns} from events where job_id = @jobId and id > @after order by id limit @limit`,
  )
  const ofOwner = database.prepare<After & { owner: string; upTo: number }, EventRecord>(
    `select ${columns} from events where owner = @owner and id > @after and id <= @upTo order by id limit @limit`,
  )
  const all = database.prepare<After, EventRecord>(`select ${columns} from events where id > @after order by id limit @limit`)
  // Of rows, not of ids: these jump where a backup was restored.
  const endOfPiece = database.prepare<After, { id: number | null }>(
    'select max(id) as id from (select id from events where id > @after order by id limit @limit)',
  )
  const last = database.prepare<[], { id: number | null }>('select max(id) as id from events')
  return {
    async eventsOf(jobId: string, after: number, limit: number): Promise<EventRecord[]> {
      return ofJob.all({ jobId, after, limit })
    },
    async eventsAfter(owner: string | null, after: number, limit: number): Promise<EventRecord[]> {
      if (owner === null) return all.all({ after, limit })
      const found: EventRecord[] = []
      for (let from = after; found.length < limit; ) {
        const upTo = endOfPiece.get({ after: from, limit: eventsAtOnce })?.id ?? null
        if (upTo === null) break
        found.push(...ofOwner.all({ owner, after: from, upTo, limit: limit - found.length }))
        from = upTo
        await setImmediate()
      }
      return found
    },
    async lastEventId(): Promise<number> {
      return last.get()?.id ?? 0
    },
  }
}
