import { createHash } from 'node:crypto'
import type { Clock } from '../domain/ports.ts'
import type { JobRecord } from '../domain/records.ts'
import type { JobStore } from '../domain/store.ts'
import { jobView, type Links } from '../domain/view.ts'

/** A job as it is sent: made once, and sent until it changes. */
export type Rendered = { job: JobRecord; body: string; etag: string }

export type Renderer = {
  /** A job in the form in which it is sent; null: there is no such job. */
  read(jobId: string): Promise<Rendered | null>
  render(job: JobRecord): Rendered
  /** Forgets everything, and follows no more changes. */
  close(): void
}

const dayMs = 86_400_000
/** About 16 MB of text. */
const maxCharacters = 8 * 2 ** 20

/** @param store tells of each change before the write that made it resolves, so that what is kept here is never older than an answer. */
export function makeRenderer(store: Pick<JobStore, 'job' | 'onChange'>, links: Links, clock: Clock): Renderer {
  /** In order of their last use, the longest ago first. */
  const kept = new Map<string, Rendered & { day: number }>()
  /** What is being read: a change meanwhile makes the reading one that is not kept. */
  const reading = new Map<string, object>()
  let characters = 0

  function forget(jobId: string): void {
    characters -= kept.get(jobId)?.body.length ?? 0
    kept.delete(jobId)
    reading.delete(jobId)
  }

  function keep(jobId: string, rendered: Rendered, day: number): void {
    forget(jobId)
    kept.set(jobId, { ...rendered, day })
    characters += rendered.body.length
    for (const oldest of kept.keys()) {
      if (characters <= maxCharacters) break
      forget(oldest)
    }
  }

  function render(job: JobRecord): Rendered {
    const body = JSON.stringify(jobView(job, links))
    return { job, body, etag: `"${createHash('sha1').update(body).digest('base64url')}"` }
  }

  const unsubscribe = store.onChange(forget)
  return {
    render,
    async read(jobId) {
      // The signatures of a job's URLs change once a day.
      const day = Math.floor(clock.now() / dayMs)
      const known = kept.get(jobId)
      if (known !== undefined && known.day === day) {
        kept.delete(jobId)
        kept.set(jobId, known)
        return known
      }
      const ticket = {}
      reading.set(jobId, ticket)
      const job = await store.job(jobId)
      const rendered = job === null ? null : render(job)
      if (rendered !== null && reading.get(jobId) === ticket) keep(jobId, rendered, day)
      reading.delete(jobId)
      return rendered
    },
    close() {
      unsubscribe()
      kept.clear()
    },
  }
}
