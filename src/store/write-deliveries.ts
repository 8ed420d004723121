import { randomBytes } from 'node:crypto'
import type Database from 'better-sqlite3'
import type { JobEventType } from '../domain/events.ts'
import type { DeliveryAttempt, DueDelivery } from '../domain/records.ts'
import type { Changed } from './commands.ts'

type NewDelivery = { jobId: string; kind: 'webhook' | 'callback'; type: JobEventType; url: string; at: number }

/** Adds to the outbox, in the transaction of what is told. */
export function deliveryQueue(database: Database.Database): (delivery: NewDelivery) => void {
  const insert = database.prepare(`
    insert into deliveries (id, job_id, kind, type, url, host, status, due_at, created_at)
    values (@id, @jobId, @kind, @type, @url, @host, 'pending', @at, @at)`)
  return delivery => {
    insert.run({ ...delivery, id: `msg_${randomBytes(18).toString('base64url')}`, host: new URL(delivery.url).host })
  }
}

export function deliveryCommands(database: Database.Database, changed: Changed) {
  const columns = 'id, job_id as jobId, kind, type, url, deliveries.host, created_at as createdAt, attempts'
  const due = database.prepare<{ now: number; limit: number }, DueDelivery>(`
    select ${columns} from deliveries where due_at <= @now order by due_at limit @limit`)
  // From host to host, the first few of each: what is due to a dead one may be a hundred thousand, and is not walked through.
  const dueToOthers = database.prepare<{ now: number; limit: number; busy: string }, DueDelivery>(`
    with recursive hosts (host) as (
      select min(host) from deliveries where due_at is not null
      union all
      select (select min(host) from deliveries where due_at is not null and host > hosts.host) from hosts where hosts.host is not null)
    select ${columns} from hosts join deliveries on id in (
      select id from deliveries indexed by deliveries_due_by_host
      where host = hosts.host and due_at <= @now order by due_at limit @limit)
    where hosts.host not in (select value from json_each(@busy)) order by due_at limit @limit`)
  const lease = database.prepare("update deliveries set claimed_by = @by, due_at = @until where id = @id and status = 'pending'")
  // Looked for among those that wait: once, at a start.
  const recover = database.prepare(`
    update deliveries set claimed_by = null, due_at = @now
    where due_at is not null and claimed_by is not null and claimed_by <> @by`)
  const attempt = database.prepare(`
    insert into delivery_attempts (delivery_id, at, status, duration_ms, answer) values (@id, @at, @status, @durationMs, @answer)`)
  const settle = database.prepare<object, { job_id: string }>(`
    update deliveries set status = @status, attempts = attempts + 1, due_at = @dueAt, claimed_by = null where id = @id and status = 'pending' returning job_id`)
  // One that waits for its next try is brought forward, but none that is under way.
  const again = database.prepare(`
    update deliveries set status = 'pending', attempts = 0, due_at = @now
    where job_id = @jobId and claimed_by is null and (@id is null or id = @id)`)
  return {
    claimDeliveries(a: { by: string; now: number; until: number; limit: number; busyHosts: readonly string[] }): DueDelivery[] {
      const { by, now, until, limit, busyHosts } = a
      const rows =
        busyHosts.length === 0 ? due.all({ now, limit }) : dueToOthers.all({ now, limit, busy: JSON.stringify(busyHosts) })
      for (const { id } of rows) lease.run({ id, by, until })
      return rows
    },

    deliveryAttempted(a: {
      id: string
      attempt: DeliveryAttempt
      status: 'pending' | 'delivered' | 'failed'
      dueAt: number | null
    }): void {
      const row = settle.get({ id: a.id, status: a.status, dueAt: a.dueAt })
      // Gone with its job while it was being sent.
      if (row === undefined) return
      attempt.run({ id: a.id, ...a.attempt })
      changed(row.job_id)
    },

    deliveryPostponed(a: { id: string; dueAt: number }): void {
      lease.run({ id: a.id, by: null, until: a.dueAt })
    },

    recoverDeliveries(a: { by: string; now: number }): number {
      return recover.run(a).changes
    },

    redeliver(a: { jobId: string; id: string | null; now: number }): number {
      const { changes } = again.run(a)
      if (changes > 0) changed(a.jobId)
      return changes
    },
  }
}
