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

/** The pictures that a job answers with: not those that came too late; with `base64` only those whose bytes are here. */
export function answeredImages(job: JobRecord, base64 = false): ImageRecord[] {
  return job.images.filter(image => !image.late && (!base64 || image.file !== null))
}

/** Whether nothing of what a job answers with is still to be copied: each picture is here, or that was given up. */
export function isCopyingOver(job: JobRecord): boolean {
  return isFinal(job.status) && answeredImages(job).every(image => image.copyAt === null)
}

/**
 * Whether a job can be answered whole. Where bytes are asked for, all that may still come are here, and one at least: without
 * any, a copy that was given up may be made after all, when somebody opens its URL.
 */
export function isAnswerable(job: JobRecord, base64: boolean): boolean {
  if (!isFinal(job.status) || !base64 || answeredImages(job).length === 0) return isFinal(job.status)
  return isCopyingOver(job) && answeredImages(job, true).length > 0
}

/** Seconds from the first submit to the end, as the provider tells them. */
function elapsedS(job: JobRecord): number {
  return Math.max(0, ((job.completedAt ?? job.createdAt) - (job.submittedAt ?? job.createdAt)) / 1_000)
}

/** What an event of OpenAI's tells of its picture: as it is, else as it was asked for. What is not known is left out. */
function eventFacts(job: JobRecord, image: ImageRecord): object {
  const asked = (name: string): string | undefined => {
    const value = job.params[name]
    return typeof value === 'string' && value !== '' && value !== 'auto' ? value : undefined
  }
  const size = image.width === null || image.height === null ? asked('size') : `${image.width}x${image.height}`
  const [, format] = /^image\/(png|jpeg|webp)$/.exec(image.contentType ?? '') ?? []
  const task = job.tasks.find(one => one.id === image.taskId)
  const facts = {
    size,
    quality: asked('quality'),
    background: asked('background'),
    output_format: format ?? asked('output_format'),
  }
  const usage = task?.usage ?? null
  // JSON leaves out what is undefined.
  return { ...facts, ...(usage === null ? {} : { usage }) }
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

  function list(job: JobRecord, pictures: readonly ImageRecord[], base64: boolean): Piece[] {
    const items = pictures.flatMap((image, index) => [...(index === 0 ? [] : [',']), ...picture(job, image, base64)])
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
      return bodyOf([`${text.slice(0, -1)},"data":`, ...list(job, answeredImages(job, base64), base64), '}'])
    },
    nested(job, base64) {
      const { result, error } = jobView(job, links)
      if (job.status !== 'succeeded' || result === null)
        return bodyOf([JSON.stringify({ ...head(job, false), error: failureOf(job, error) })])
      const text = JSON.stringify({ ...head(job, true), ...reportOf(job) })
      return bodyOf([
        `${text.slice(0, -1)},"data":{"created":${result.created},"data":`,
        ...list(job, answeredImages(job), base64),
        '}}',
      ])
    },
    event(job, image, base64) {
      const created_at = image.created ?? Math.floor(image.arrivedAt / 1_000)
      return bodyOf(picture(job, image, base64, { type: 'image_edit.completed', created_at, ...eventFacts(job, image) }))
    },
  }
}

function failureOf(job: JobRecord, error: JobError | null): { code: string; message: string } {
  return error === null ? { code: job.status, message: `the job is ${job.status}` } : { code: error.code, message: error.message }
}
