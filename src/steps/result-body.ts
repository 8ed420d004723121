import { reportOf } from '../domain/cost.ts'
import { isFinal } from '../domain/job.ts'
import type { Blobs } from '../domain/ports.ts'
import type { ImageRecord, JobRecord } from '../domain/records.ts'
import { type JobError, jobView, type Links } from '../domain/view.ts'
import { base64Length, readAsBase64 } from '../files/encode-base64.ts'

/** A body that may be read more than once, whose length is known before. Pictures in it are read from the disk as it goes. */
export type StreamedBody = { sizeBytes: number; chunks: () => AsyncIterable<Uint8Array> }

export type ResultBodies = {
  /** A succeeded job as the provider, and OpenAI, answer a held request: `data` is the list of pictures. */
  flat(job: JobRecord, base64: boolean): StreamedBody
  /** An ended job as the provider POSTs it to a callback: `data` holds `created` and the list; a failure its error. */
  nested(job: JobRecord, base64: boolean): StreamedBody
  /** One picture of a job as an event of a stream. */
  event(job: JobRecord, image: ImageRecord, base64: boolean): StreamedBody
}

type Piece = string | { path: string; sizeBytes: number }

function bodyOf(pieces: readonly Piece[]): StreamedBody {
  const sizeOf = (piece: Piece): number => (typeof piece === 'string' ? Buffer.byteLength(piece) : base64Length(piece.sizeBytes))
  return {
    sizeBytes: pieces.reduce((sum, piece) => sum + sizeOf(piece), 0),
    chunks: async function* () {
      for (const piece of pieces) {
        if (typeof piece === 'string') yield Buffer.from(piece)
        else yield* readAsBase64(piece.path)
      }
    },
  }
}

/** The pictures that a job answers with: not those that came too late. */
export function answeredImages(job: JobRecord): ImageRecord[] {
  return job.images.filter(image => !image.late)
}

/** Whether nothing of what a job answers with is still to be copied: each picture is here, or that was given up. */
export function isCopyingOver(job: JobRecord): boolean {
  return isFinal(job.status) && answeredImages(job).every(image => image.copyAt === null)
}

/** Seconds from the first submit to the end, as the provider tells them. */
function elapsedS(job: JobRecord): number {
  return Math.max(0, ((job.completedAt ?? job.createdAt) - (job.submittedAt ?? job.createdAt)) / 1_000)
}

export function makeResultBodies(blobs: Blobs, links: Links): ResultBodies {
  /** One picture as a JSON object; its bytes are a piece of their own. */
  function picture(job: JobRecord, image: ImageRecord, base64: boolean, extra: object = {}): Piece[] {
    const fields = {
      ...extra,
      url: links.image(job.id, image.position),
      ...(image.revisedPrompt === null ? {} : { revised_prompt: image.revisedPrompt }),
    }
    const text = JSON.stringify(fields)
    if (!base64 || image.file === null) return [text]
    const file = { path: blobs.pathOf(job.id, image.file), sizeBytes: image.sizeBytes ?? 0 }
    return [`${text.slice(0, -1)},"b64_json":"`, file, '"}']
  }

  function list(job: JobRecord, base64: boolean): Piece[] {
    const items = answeredImages(job).flatMap((image, index) => [...(index === 0 ? [] : [',']), ...picture(job, image, base64)])
    return ['[', ...items, ']']
  }

  const head = (job: JobRecord, success: boolean) => ({
    success,
    task_id: job.tasks[0]?.providerTaskId ?? job.id,
    trace_id: job.tasks[0]?.traceId ?? null,
  })

  return {
    flat(job, base64) {
      const { result } = jobView(job, links)
      const text = JSON.stringify({
        ...head(job, true),
        created: result?.created ?? null,
        elapsed: elapsedS(job),
        job_id: job.id,
        ...reportOf(job),
      })
      return bodyOf([`${text.slice(0, -1)},"data":`, ...list(job, base64), '}'])
    },
    nested(job, base64) {
      const { result, error } = jobView(job, links)
      if (job.status !== 'succeeded' || result === null)
        return bodyOf([JSON.stringify({ ...head(job, false), error: failureOf(job, error) })])
      const text = JSON.stringify({ ...head(job, true), ...reportOf(job) })
      return bodyOf([`${text.slice(0, -1)},"data":{"created":${result.created},"data":`, ...list(job, base64), '}}'])
    },
    event(job, image, base64) {
      const createdAt = image.created ?? Math.floor(image.arrivedAt / 1_000)
      return bodyOf(picture(job, image, base64, { type: 'image_edit.completed', created_at: createdAt }))
    },
  }
}

function failureOf(job: JobRecord, error: JobError | null): { code: string; message: string } {
  return error === null ? { code: job.status, message: `the job is ${job.status}` } : { code: error.code, message: error.message }
}
