import { hash } from 'node:crypto'
import type { Clock } from '../domain/ports.ts'
import type { JobRecord } from '../domain/records.ts'
import type { JobStore } from '../domain/store.ts'
import { jobView, type Links } from '../domain/view.ts'
import { ref } from './schema/schema.ts'
import { serialiserOf } from './schema/serialise.ts'

/** What a route asks of a job that it sends. Of thousands that are kept, the rest would be more for the collector to walk through. */
export type JobHead = Pick<JobRecord, 'id' | 'owner' | 'status' | 'model' | 'params' | 'submittedAt'>

/** A job as it is sent: made once, and sent until it changes. */
export type Rendered = { job: JobHead; body: string; etag: string }

export type Renderer = {
  /** A job as it was sent before, where it lies here still and has not changed. */
  known(jobId: string): Rendered | null
  /** A job in the form in which it is sent; null: there is no such job. */
  read(jobId: string): Promise<Rendered | null>
  render(job: JobRecord): Rendered
  /** Forgets everything, and follows no more changes. */
  close(): void
}

const serialise = serialiserOf(ref('Job'))
const dayMs = 86_400_000
/** Of each of two generations: 8 MB of text in all, twice that where it is not Latin. */
const usualGenerationCharacters = 4 * 2 ** 20

type Kept = Rendered & { day: number }

/** @param store tells of each change before the write that made it resolves, so that what is kept here is never older than an answer. */
export function makeRenderer(
  store: Pick<JobStore, 'job' | 'onChange'>,
  links: Links,
  clock: Clock,
  generationCharacters = usualGenerationCharacters,
): Renderer {
  // Two generations: what is asked for moves to the younger one; the older one goes as a whole when that is full. Nearly as good
  // as an order of last use, which would have to be kept at each read.
  let young = new Map<string, Kept>()
  let old = new Map<string, Kept>()
  let youngCharacters = 0
  /** What is being read: a change meanwhile makes the reading one that is not kept. */
  const reading = new Map<string, object>()
  const today = (): number => Math.floor(clock.now() / dayMs)

  function forget(jobId: string): void {
    youngCharacters -= young.get(jobId)?.body.length ?? 0
    young.delete(jobId)
    old.delete(jobId)
    reading.delete(jobId)
  }

  function keep(jobId: string, rendered: Kept): void {
    forget(jobId)
    if (youngCharacters + rendered.body.length > generationCharacters) {
      old = young
      young = new Map()
      youngCharacters = 0
    }
    young.set(jobId, rendered)
    youngCharacters += rendered.body.length
  }

  function render(job: JobRecord): Rendered {
    const body = serialise(jobView(job, links))
    const { id, owner, status, model, params, submittedAt } = job
    const head = { id, owner, status, model, params, submittedAt }
    return { job: head, body, etag: `"${hash('sha1', body, 'base64url')}"` }
  }

  function known(jobId: string): Rendered | null {
    const kept = young.get(jobId) ?? old.get(jobId)
    // The signatures of a job's URLs change once a day.
    if (kept === undefined || kept.day !== today()) return null
    if (old.size > 0 && !young.has(jobId)) keep(jobId, kept)
    return kept
  }

  const unsubscribe = store.onChange(forget)
  return {
    render,
    known,
    async read(jobId) {
      const kept = known(jobId)
      if (kept !== null) return kept
      const day = today()
      const ticket = {}
      reading.set(jobId, ticket)
      const job = await store.job(jobId)
      const rendered = job === null ? null : render(job)
      // Where a job stands in the queue changes with every other job.
      const isKept = rendered !== null && rendered.job.status !== 'queued' && reading.get(jobId) === ticket
      if (isKept) keep(jobId, { ...rendered, day })
      if (reading.get(jobId) === ticket) reading.delete(jobId)
      return rendered
    },
    close() {
      unsubscribe()
      young.clear()
      old.clear()
    },
  }
}
