import { invalid, ServiceError } from '../domain/errors.ts'
import type { Blobs, Clock, Log, StoredFile } from '../domain/ports.ts'
import type { TaskRef } from '../domain/records.ts'
import { parseResult } from '../domain/result.ts'
import type { Applied, JobStore } from '../domain/store.ts'
import { LiftError, type Lifted, liftJson } from '../files/lift.ts'
import { pictureOptions } from '../files/pictures-in-results.ts'
import { parsePlain } from '../files/plain.ts'
import { discardUnnamed, isCertainlyNotKept } from './leftovers.ts'

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
  callback(ref: TaskRef, body: CallbackBody): Promise<Applied['outcome']>
}

/** As it comes; or, of a small one, all of it. */
export type CallbackBody = AsyncIterable<Uint8Array> | Promise<Buffer>

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

async function* onePiece(body: Promise<Buffer>): AsyncGenerator<Buffer> {
  yield await body
}

/** The same bytes, and how many have come. */
function counted(body: AsyncIterable<Uint8Array>): { bytes: AsyncIterable<Uint8Array>; count: () => number } {
  let sizeBytes = 0
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      sizeBytes += chunk.length
      yield chunk
    }
  }
  return { bytes: bytes(), count: () => sizeBytes }
}

export function makeIngest(deps: IngestDeps): Ingest {
  const { store, blobs, clock, log } = deps

  async function read(ref: TaskRef, body: CallbackBody): Promise<Lifted> {
    const { bytes, count } = counted(body instanceof Promise ? onePiece(body) : body)
    try {
      const plain = body instanceof Promise ? parsePlain(await body) : null
      return plain ?? (await liftJson(bytes, pictureOptions(blobs, ref.jobId, deps.maxCallbackBytes, keptRawBytes)))
    } catch (error) {
      const told = error instanceof LiftError ? error : null
      await malformed(ref, told?.raw ?? null, count())
      // The connection broke, or the disk is full.
      if (told === null) throw error
      if (told.kind === 'malformed' || told.kind === 'too_deep')
        throw invalid(null, `the body is no JSON with a result in it: ${told.message}`)
      throw new ServiceError('payload_too_large', 'the callback is larger than MAX_CALLBACK_BYTES', { cause: told })
    }
  }

  /**
   * Keeps what can't be read, for people to look at, and has the task asked for: the provider will not send it again. What fails
   * in here is logged: the sender is told of its own error.
   */
  async function malformed(ref: TaskRef, raw: Buffer | null, sizeBytes: number): Promise<void> {
    const { taskId, jobId } = ref
    const file = raw === null ? null : await keepRaw(ref, raw)
    try {
      const noted = await store.callbackMalformed({ taskId, sizeBytes, file: file?.name ?? null, now: clock.now() })
      if (!noted && file !== null) await blobs.remove(jobId, file.name)
    } catch (error) {
      log.error({ err: error, job: jobId, task: taskId }, 'callback.not_noted')
    }
    log.warn({ job: jobId, task: taskId, bytes: sizeBytes }, 'callback.malformed')
    deps.onMalformed()
  }

  async function keepRaw({ jobId, taskId }: TaskRef, raw: Buffer): Promise<StoredFile | null> {
    const sink = blobs.create(jobId, 'bad')
    try {
      await sink.write(raw)
      return await sink.finish()
    } catch (error) {
      await sink.discard()
      log.error({ err: error, job: jobId, task: taskId }, 'callback.raw_not_kept')
      return null
    }
  }

  async function apply(ref: TaskRef, lifted: Lifted, text: string): Promise<Applied> {
    const { taskId, jobId } = ref
    const result = parseResult(lifted.value, value => lifted.file(value))
    if (result === null) {
      await discardUnnamed(deps, jobId, lifted.files)
      await malformed(ref, Buffer.from(text), lifted.bodyBytes)
      throw invalid(null, 'there is no result in the body: neither a picture nor an error')
    }
    const now = clock.now()
    const receipt = { sizeBytes: lifted.bodyBytes, body: text }
    try {
      const applied = await store.applyResult({ taskId, result, source: 'callback', now, copyAt: now, receipt })
      await discardUnnamed(deps, jobId, lifted.files)
      return applied
    } catch (error) {
      if (isCertainlyNotKept(error)) await discardUnnamed(deps, jobId, lifted.files)
      throw error
    }
  }

  async function callback(ref: TaskRef, body: CallbackBody): Promise<Applied['outcome']> {
    const { taskId, jobId } = ref
    const startedAt = clock.now()
    const lifted = await read(ref, body)
    const { outcome, kept } = await apply(ref, lifted, withoutPictures(lifted))
    if (kept) deps.onResult()
    log.info({ job: jobId, task: taskId, outcome, bytes: lifted.bodyBytes, ms: clock.now() - startedAt }, `callback.${outcome}`)
    return outcome
  }

  return { find: taskId => store.taskRef(taskId), callback }
}
