import { invalid, ServiceError } from '../domain/errors.ts'
import type { Blobs, Clock, Log, StoredFile } from '../domain/ports.ts'
import type { TaskRef } from '../domain/records.ts'
import { parseResult, type Result } from '../domain/result.ts'
import type { Applied, JobStore } from '../domain/store.ts'
import { LiftError, type Lifted, liftJson } from '../files/lift.ts'
import { pictureOptions } from '../files/pictures-in-results.ts'
import { discardFiles } from './leftovers.ts'

export type IngestDeps = {
  store: JobStore
  blobs: Blobs
  clock: Clock
  log: Log
  maxCallbackBytes: number
  /** A result was applied whose pictures may have to be copied. */
  onResult: () => void
  /** A task is to be asked for at once. */
  onMalformed: () => void
}

export type Ingest = {
  /** The task that a callback is for; null: there is none (any more), and the body need not be read. */
  find(taskId: number): Promise<TaskRef | null>
  /**
   * Takes one callback. Resolves when its result is durable and shows in a read.
   * @throws ServiceError `invalid_request` where there is no result in it, `payload_too_large`, `storage_full`.
   */
  callback(ref: TaskRef, body: AsyncIterable<Uint8Array>): Promise<Applied['outcome']>
}

/** How much of a callback that can't be read is kept, to see what was wrong with it. */
const keptRawBytes = 2 ** 20
/** How much text of a callback is kept in its row. */
const keptTextLength = 65_536

/** The body as JSON, with a note in the place of each picture. */
function withoutPictures(lifted: Lifted): string {
  if (lifted.files.length === 0) return JSON.stringify(lifted.value).slice(0, keptTextLength)
  const noted = (_key: string, value: unknown): unknown => {
    const file = lifted.file(value)
    return file === undefined ? value : `(${file.sizeBytes} bytes, ${file.contentType}, sha256 ${file.sha256})`
  }
  return JSON.stringify(lifted.value, noted).slice(0, keptTextLength)
}

function usedFiles(result: Result, kept: boolean): Set<StoredFile> {
  if (!kept || result.kind !== 'succeeded') return new Set()
  return new Set(result.images.map(image => image.file).filter(file => file !== null))
}

export function makeIngest(deps: IngestDeps): Ingest {
  const { store, blobs, clock, log } = deps

  async function read(ref: TaskRef, body: AsyncIterable<Uint8Array>): Promise<Lifted> {
    try {
      return await liftJson(body, pictureOptions(blobs, ref.jobId, deps.maxCallbackBytes, keptRawBytes))
    } catch (error) {
      if (!(error instanceof LiftError)) throw error
      await malformed(ref, error.raw ?? Buffer.alloc(0), error.bodyBytes)
      if (error.kind === 'malformed' || error.kind === 'too_deep')
        throw invalid(null, `the body is no JSON with a result in it: ${error.message}`)
      throw new ServiceError('payload_too_large', 'the callback is larger than MAX_CALLBACK_BYTES', { cause: error })
    }
  }

  /** Keeps what can't be read, for people to look at, and has the task asked for: the provider will not send it again. */
  async function malformed(ref: TaskRef, raw: Buffer, sizeBytes: number): Promise<void> {
    const sink = blobs.create(ref.jobId, 'bad')
    let file: StoredFile | null = null
    try {
      await sink.write(raw)
      file = await sink.finish()
    } catch (error) {
      await sink.discard()
      log.error({ err: error, job: ref.jobId, task: ref.taskId }, 'callback.raw_not_kept')
    }
    const noted = await store.callbackMalformed({ taskId: ref.taskId, sizeBytes, file: file?.name ?? null, now: clock.now() })
    if (!noted && file !== null) await blobs.remove(ref.jobId, file.name)
    log.warn({ job: ref.jobId, task: ref.taskId, bytes: sizeBytes }, 'callback.malformed')
    deps.onMalformed()
  }

  async function callback(ref: TaskRef, body: AsyncIterable<Uint8Array>): Promise<Applied['outcome']> {
    const { taskId, jobId } = ref
    const startedAt = clock.now()
    const lifted = await read(ref, body)
    const result = parseResult(lifted.value, value => lifted.file(value))
    const text = withoutPictures(lifted)
    if (result === null) {
      await discardFiles(blobs, jobId, lifted.files)
      await malformed(ref, Buffer.from(text), lifted.bodyBytes)
      throw invalid(null, 'there is no result in the body: neither a picture nor an error')
    }
    const now = clock.now()
    const receipt = { sizeBytes: lifted.bodyBytes, body: text }
    const applied = await store.applyResult({ taskId, result, source: 'callback', now, copyAt: now, receipt })
    if (lifted.files.length > 0) {
      const used = usedFiles(result, applied.kept)
      await discardFiles(
        blobs,
        jobId,
        lifted.files.filter(file => !used.has(file)),
      )
    }
    if (applied.kept) deps.onResult()
    log.info(
      {
        job: jobId,
        task: taskId,
        outcome: applied.outcome,
        result: result.kind,
        bytes: lifted.bodyBytes,
        ms: clock.now() - startedAt,
      },
      `callback.${applied.outcome}`,
    )
    return applied.outcome
  }

  return { find: taskId => store.taskRef(taskId), callback }
}
