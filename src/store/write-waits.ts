import type Database from 'better-sqlite3'
import { copyRetryAt, deliveryLeaseMs, deliveryRetryAt, pollRetryAt, submitRetryAt } from '../domain/retry.ts'

/** What waits: how often it was tried, and until when it waits. */
type Wait = { id: number | string; tried: number; at: number }
type Picture = Wait & { position: number }
type Delivery = Wait & { claimed: number }

/** The longest that each wait can be: what waits for longer was written by a clock that has been set back since. */
export type LongestWaits = { firstPollMs: number; pollEveryMs: number }

export function waitCommands(database: Database.Database) {
  const tasks = database.prepare<{ now: number }, Wait>(
    "select id, attempts as tried, due_at as at from tasks where status = 'queued' and due_at > @now",
  )
  const polls = database.prepare<{ now: number }, Wait>(
    'select id, polls as tried, poll_at as at from tasks where poll_at > @now',
  )
  const copies = database.prepare<{ now: number }, Picture>(
    'select job_id as id, position, copy_attempts as tried, copy_at as at from images where copy_at > @now',
  )
  const deliveries = database.prepare<{ now: number }, Delivery>(
    'select id, attempts as tried, due_at as at, claimed_by is not null as claimed from deliveries where due_at > @now',
  )
  const setTask = database.prepare('update tasks set due_at = @at where id = @id')
  const setPoll = database.prepare('update tasks set poll_at = @at where id = @id')
  const setCopy = database.prepare('update images set copy_at = @at where job_id = @id and position = @position')
  const setDelivery = database.prepare('update deliveries set due_at = @at where id = @id')

  function clamp<W extends Wait>(
    waits: Database.Statement<[{ now: number }], W>,
    set: Database.Statement,
    now: number,
    longest: (wait: W) => number,
  ): number {
    const tooLong = waits.all({ now }).filter(wait => wait.at - now > longest(wait))
    for (const wait of tooLong) set.run({ ...wait, at: now + longest(wait) })
    return tooLong.length
  }

  return {
    clampWaits({ now, firstPollMs, pollEveryMs }: LongestWaits & { now: number }): number {
      return (
        // A time at which something was due at once is no wait at all.
        clamp(tasks, setTask, now, ({ tried }) => (tried === 0 ? 0 : submitRetryAt(tried, null, 0, 1))) +
        clamp(polls, setPoll, now, ({ tried }) => (tried === 0 ? firstPollMs : pollRetryAt(tried, pollEveryMs, 0))) +
        clamp(copies, setCopy, now, ({ tried }) => (tried === 0 ? 0 : (copyRetryAt(tried, 0, 0, 1) ?? 0))) +
        clamp(deliveries, setDelivery, now, ({ tried, claimed }) =>
          claimed === 1 ? deliveryLeaseMs : tried === 0 ? 0 : (deliveryRetryAt(tried, Number.POSITIVE_INFINITY, 0, 1) ?? 0),
        )
      )
    },
  }
}
