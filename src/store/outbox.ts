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

const columns = 'id, job_id as jobId, owner, type, at'
/** Read off its index, however many events others have. */
export const ownerEventsSql = `select ${columns} from events where owner = @owner and id > @after order by id limit @limit`

/** What happened. */
export function eventReads(database: Database.Database) {
  type After = { after: number; limit: number }
  const ofJob = database.prepare<After & { jobId: string }, EventRecord>(
    `select ${columns} from events where job_id = @jobId and id > @after order by id limit @limit`,
  )
  const ofOwner = database.prepare<After & { owner: string }, EventRecord>(ownerEventsSql)
  const all = database.prepare<After, EventRecord>(`select ${columns} from events where id > @after order by id limit @limit`)
  const last = database.prepare<[], { id: number; at: number }>('select id, at from events order by id desc limit 1')
  return {
    async eventsOf(jobId: string, after: number, limit: number): Promise<EventRecord[]> {
      return ofJob.all({ jobId, after, limit })
    },
    async eventsAfter(owner: string | null, after: number, limit: number): Promise<EventRecord[]> {
      return owner === null ? all.all({ after, limit }) : ofOwner.all({ owner, after, limit })
    },
    async lastEventId(): Promise<number> {
      return last.get()?.id ?? 0
    },
    async lastEventAt(): Promise<number | null> {
      return last.get()?.at ?? null
    },
  }
}
