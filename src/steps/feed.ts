import { setImmediate } from 'node:timers/promises'
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
  /** Resolves when what was sent has gone out, or never will. */
  drained(): Promise<void>
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
  reader: Reader
  /** The last event that it was sent, or that is none of its own. */
  position: number
  /** It has all that was given out so far, and gets the next as it is given out. */
  isLive: boolean
}

/** An event as it goes over the wire: made once, whoever reads it. */
type Told = { id: number; jobId: string; owner: string; text: string; final: boolean }

const batchSize = 100
/** A reader that catches up is sent one after the other, each when it took the last; so many are looked up at once. */
const catchUpSize = 50
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
  /** Jobs that changed, and may be gone. */
  const touched = new Set<string>()
  let closed = false
  /** The last event that was given out to all who are live. */
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
      // Nobody reads: what happens meanwhile is for those to catch up with who come later.
      const last = await store.lastEventId()
      if (following.size === 0) dispatched = last
      touched.clear()
      return null
    }
    const changed = new Set(touched)
    touched.clear()
    const events = await store.eventsAfter(null, dispatched, batchSize)
    const told = await tellAll(events)
    for (const event of told) {
      // Nothing else runs between the two: whoever is live has all up to `dispatched`, before and after.
      for (const one of following) if (one.isLive && wants(one.topic, event)) send(one, event)
      dispatched = event.id
      // It goes out before there is more of it, so that nobody is dropped who could keep up; and requests get their turn.
      await setImmediate()
    }
    dispatched = events.at(-1)?.id ?? dispatched
    await dropGone(changed)
    return events.length === batchSize ? ('now' as const) : null
  }

  /** A job that was deleted has no more to tell. */
  async function dropGone(changed: ReadonlySet<string>): Promise<void> {
    for (const one of following) {
      const isGone = 'jobId' in one.topic && changed.has(one.topic.jobId) && (await store.job(one.topic.jobId)) === null
      if (isGone) drop(one)
    }
  }

  /** Sends what was given out before a reader came, as fast as it takes it, until it is live. */
  async function catchUp(one: Following): Promise<void> {
    while (following.has(one)) {
      const upTo = dispatched
      const { topic, position } = one
      const found = await ('jobId' in topic
        ? store.eventsOf(topic.jobId, position, catchUpSize)
        : store.eventsAfter(topic.owner, position, catchUpSize))
      // What has not been given out yet comes to it as to all others.
      const events = found.filter(event => event.id <= upTo)
      for (const event of events) {
        for (const told of await tellAll([event])) send(one, told)
        await one.reader.drained()
      }
      const isAll = events.length < catchUpSize
      // An event whose job is gone meanwhile is passed over.
      one.position = Math.max(one.position, isAll ? upTo : (events.at(-1)?.id ?? 0))
      if (isAll && upTo === dispatched) {
        one.isLive = true
        return
      }
    }
  }

  let cancelHeartbeat = (): void => {}
  function beat(): void {
    for (const one of following) if (!one.reader.send(heartbeat)) drop(one)
    cancelHeartbeat = clock.after(heartbeatEveryMs, beat)
  }
  beat()

  const loop = startLoop('feed', dispatch, deps)
  const unsubscribe = store.onChange(jobId => {
    if (following.size === 0) return
    touched.add(jobId)
    loop.wake()
  })
  return {
    async follow(topic, after, reader) {
      const last = await store.lastEventId()
      // An id that was never given out is of another time of this database: it is not waited for.
      const one: Following = { topic, reader, position: Math.min(after ?? last, last), isLive: false }
      // What happened while nobody read was given out to all there were.
      if (following.size === 0) dispatched = last
      if (closed) reader.end()
      else following.add(one)
      await catchUp(one)
      // What happened since the last giving out may have woken nobody.
      loop.wake()
      if ('jobId' in topic && following.has(one)) {
        // It may have ended before the last event that this reader had already seen.
        const job = await store.job(topic.jobId)
        const toCome = await store.eventsOf(topic.jobId, one.position, batchSize)
        if (job === null || (isFinal(job.status) && !toCome.some(event => endTypes.has(event.type)))) drop(one)
      }
      return () => drop(one)
    },
    readers: () => following.size,
    async close() {
      closed = true
      unsubscribe()
      cancelHeartbeat()
      for (const one of following) drop(one)
      await loop.close()
    },
  }
}
