import { isFinal } from '../domain/job.ts'
import type { Clock, Log } from '../domain/ports.ts'
import type { EventRecord, JobRecord } from '../domain/records.ts'
import type { JobStore } from '../domain/store.ts'
import { jobView, type Links } from '../domain/view.ts'
import { startLoop } from './loop.ts'

/** Somebody who follows events. */
export type Reader = {
  /** False: it cannot keep up, and is dropped. */
  send(text: string): boolean
  end(): void
}

/** Which events: those of one job, or those of an owner's jobs (null: of everybody's). */
export type Topic = { jobId: string } | { owner: string | null }

export type Feed = {
  /**
   * Sends a reader what has happened after an event's id, and then whatever happens, in order and without a gap. A job's
   * reader ends after the job's final event. `after` null: from now on. Gives a way to stop.
   */
  follow(topic: Topic, after: number | null, reader: Reader): Promise<() => void>
  readers(): number
  /** Ends all readers. */
  close(): Promise<void>
}

export type FeedDeps = { store: JobStore; clock: Clock; log: Log; links: Links }

type Following = {
  topic: Topic
  reader: Reader /** The last event it was sent. */
  position: number /** What happened while it was caught up. */
  held: Told[] | null
}

/** An event as it goes over the wire: made once, whoever reads it. */
type Told = { id: number; jobId: string; owner: string; text: string; final: boolean }

const batchSize = 500
const heartbeatEveryMs = 15_000
const heartbeat = ':\n\n'
const endTypes = new Set(['job.succeeded', 'job.failed', 'job.canceled', 'job.expired'])

function wants(topic: Topic, event: Told): boolean {
  if ('jobId' in topic) return topic.jobId === event.jobId
  return topic.owner === null || topic.owner === event.owner
}

export async function startFeed(deps: FeedDeps): Promise<Feed> {
  const { store, clock } = deps
  const following = new Set<Following>()
  let dispatched = await store.lastEventId()

  /** The job is shown as it is now, not as it was when the event happened. */
  function tell(event: EventRecord, job: JobRecord): Told {
    const data = JSON.stringify(jobView(job, deps.links))
    const text = `id: ${event.id}\nevent: ${event.type}\ndata: ${data}\n\n`
    return { id: event.id, jobId: event.jobId, owner: event.owner, text, final: endTypes.has(event.type) }
  }

  async function tellAll(events: readonly EventRecord[]): Promise<Told[]> {
    const told: Told[] = []
    for (const event of events) {
      const job = await store.job(event.jobId)
      if (job !== null) told.push(tell(event, job))
    }
    return told
  }

  function drop(one: Following): void {
    if (following.delete(one)) one.reader.end()
  }

  function send(one: Following, event: Told): void {
    if (event.id <= one.position || !following.has(one)) return
    one.position = event.id
    if (!one.reader.send(event.text) || ('jobId' in one.topic && event.final)) drop(one)
  }

  async function dispatch() {
    if (following.size === 0) {
      // Nobody reads: where the next one begins is looked up then.
      dispatched = await store.lastEventId()
      return null
    }
    const events = await store.eventsAfter(null, dispatched, batchSize)
    for (const event of await tellAll(events)) {
      for (const one of following) {
        if (!wants(one.topic, event)) continue
        if (one.held === null) send(one, event)
        else one.held.push(event)
      }
    }
    dispatched = events.at(-1)?.id ?? dispatched
    return events.length === batchSize ? ('now' as const) : null
  }

  /** What happened before a reader came. */
  async function catchUp(one: Following): Promise<void> {
    for (;;) {
      const { topic, position } = one
      const events = await ('jobId' in topic
        ? store.eventsOf(topic.jobId, position, batchSize)
        : store.eventsAfter(topic.owner, position, batchSize))
      for (const event of await tellAll(events)) send(one, event)
      // An event whose job is gone meanwhile is passed over.
      one.position = Math.max(one.position, events.at(-1)?.id ?? 0)
      if (events.length < batchSize || !following.has(one)) return
    }
  }

  let cancelHeartbeat = (): void => {}
  function beat(): void {
    for (const one of following) if (!one.reader.send(heartbeat)) drop(one)
    cancelHeartbeat = clock.after(heartbeatEveryMs, beat)
  }
  beat()

  const loop = startLoop('feed', dispatch, deps)
  const unsubscribe = store.onChange(() => {
    if (following.size > 0) loop.wake()
  })
  return {
    async follow(topic, after, reader) {
      const one: Following = { topic, reader, position: after ?? (await store.lastEventId()), held: [] }
      // From here on every event is either seen by the catching up or held for after it.
      following.add(one)
      await catchUp(one)
      for (const event of one.held ?? []) send(one, event)
      one.held = null
      if ('jobId' in topic && following.has(one)) {
        // It may have ended before the last event that this reader had already seen.
        const job = await store.job(topic.jobId)
        const last = (await store.eventsOf(topic.jobId, one.position, 1)).length === 0
        if (job === null || (isFinal(job.status) && last)) drop(one)
      }
      return () => drop(one)
    },
    readers: () => following.size,
    async close() {
      unsubscribe()
      cancelHeartbeat()
      for (const one of following) drop(one)
      await loop.close()
    },
  }
}
