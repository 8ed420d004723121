import { invalid, isDiskFull, ServiceError } from '../domain/errors.ts'
import type { Blobs, CallbackAnswer, Clock, Log, Meter, StoredFile } from '../domain/ports.ts'
import type { TaskRef } from '../domain/records.ts'
import { maxResultPictures, parseResult, type Result } from '../domain/result.ts'
import type { Applied, JobStore, Receipt } from '../domain/store.ts'
import { LiftError, type Lifted, liftJson } from '../files/lift.ts'
import { pictureOptions } from '../files/pictures-in-results.ts'
import { parsePlain } from '../files/plain.ts'
import { discardUnnamed, isCertainlyNotKept } from './leftovers.ts'

export type IngestDeps = {
  store: JobStore
  blobs: Blobs
  clock: Clock
  log: Log
  meter: Meter
  maxCallbackBytes: number
  /** A result was applied whose pictures may have to be copied. */
  onResult: () => void
  /** A task is to be asked for at once. */
  onMalformed: () => void
}

export type Ingest = {
  /**
   * Takes one callback. Resolves when its result is durable and shows in a read. `unknown`: its task is gone; a body that comes
   * in pieces is not read then.
   * @param declaredBytes how long it says that it is; null where it does not say.
   * @throws ServiceError `invalid_request` where there is no result in it, `payload_too_large`, `storage_full`.
   */
  callback(taskId: number, body: CallbackBody, declaredBytes: number | null): Promise<Applied['outcome']>
}

/** As it comes; or, of a small one, all of it. */
export type CallbackBody = AsyncIterable<Uint8Array> | Promise<Buffer>

/** How much of a callback that can't be read is kept, to see what was wrong with it. */
const keptRawBytes = 65_536
/** How much text of a callback is kept in its row. */
const keptTextLength = 65_536

type Taken = Applied & { sizeBytes: number }

/** The result in a small body that holds no picture; null where it takes more to find out, or to refuse it. */
async function plainResult(body: Promise<Buffer>): Promise<{ result: Result; receipt: Receipt } | null> {
  let bytes: Buffer
  try {
    bytes = await body
  } catch {
    // Who reads it again meets the same error.
    return null
  }
  const plain = parsePlain(bytes)
  const result = plain === null ? null : parseResult(plain.value, () => undefined)
  return plain === null || result === null
    ? null
    : { result, receipt: { sizeBytes: bytes.length, body: plain.text.slice(0, keptTextLength) } }
}

/** The body as JSON, with a note in the place of each picture. */
function withoutPictures(lifted: Lifted): string {
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

const unknown: Taken = { outcome: 'unknown', jobId: null, kept: false, arrived: null, sizeBytes: 0 }

function tooLarge(cause?: unknown): ServiceError {
  return new ServiceError('payload_too_large', 'the callback is larger than MAX_CALLBACK_BYTES', { cause })
}

/** What a callback was answered that ended in an error. */
function answerTo(error: unknown): CallbackAnswer {
  if (isDiskFull(error)) return 'storage_full'
  const code = error instanceof ServiceError ? error.code : null
  if (code === 'invalid_request') return 'malformed'
  if (code === 'payload_too_large') return 'too_large'
  return code === 'storage_full' ? 'storage_full' : 'not_kept'
}

export function makeIngest(deps: IngestDeps): Ingest {
  const { store, blobs, clock, log, meter } = deps

  async function read(ref: TaskRef, body: CallbackBody): Promise<Lifted> {
    const { bytes, count } = counted(body instanceof Promise ? onePiece(body) : body)
    try {
      return await liftJson(bytes, pictureOptions(blobs, ref.jobId, deps.maxCallbackBytes, keptRawBytes))
    } catch (error) {
      const told = error instanceof LiftError ? error : null
      await malformed(ref, told?.raw ?? null, count())
      // The connection broke, or the disk is full.
      if (told === null) throw error
      if (told.kind === 'body_too_large' || told.kind === 'file_too_large') throw tooLarge(told)
      throw invalid(null, `the body isn't JSON with a result in it: ${told.message}`)
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

  async function apply(ref: TaskRef, lifted: Lifted): Promise<Applied> {
    const { taskId, jobId } = ref
    const body = withoutPictures(lifted)
    const result = parseResult(lifted.value, value => lifted.file(value))
    if (result === null) {
      await discardUnnamed(deps, jobId, lifted.files)
      await malformed(ref, Buffer.from(body), lifted.bodyBytes)
      throw invalid(null, `there is no result in the body: neither 1 to ${maxResultPictures} pictures nor an error`)
    }
    try {
      const applied = await write(taskId, result, { sizeBytes: lifted.bodyBytes, body })
      await discardUnnamed(deps, jobId, lifted.files)
      return applied
    } catch (error) {
      if (isCertainlyNotKept(error)) await discardUnnamed(deps, jobId, lifted.files)
      throw error
    }
  }

  function write(taskId: number, result: Result, receipt: Receipt): Promise<Applied> {
    const now = clock.now()
    return store.applyResult({ taskId, result, source: 'callback', now, copyAt: now, receipt })
  }

  async function take(taskId: number, body: CallbackBody, declaredBytes: number | null): Promise<Taken> {
    if (declaredBytes !== null && declaredBytes > deps.maxCallbackBytes) return refuseUnread(taskId, declaredBytes)
    // Most callbacks are of this kind, and leave it to the write to find out whether their task is still there.
    const plain = body instanceof Promise ? await plainResult(body) : null
    if (plain !== null) return { ...(await write(taskId, plain.result, plain.receipt)), sizeBytes: plain.receipt.sizeBytes }
    const ref = await store.taskRef(taskId)
    if (ref === null) return unknown
    const lifted = await read(ref, body)
    return { ...(await apply(ref, lifted)), sizeBytes: lifted.bodyBytes }
  }

  /** One that says itself that it is too large meets what one meets that turns out to be so: noted, and its task asked for. */
  async function refuseUnread(taskId: number, declaredBytes: number): Promise<Taken> {
    const ref = await store.taskRef(taskId)
    if (ref === null) return unknown
    await malformed(ref, null, declaredBytes)
    throw tooLarge()
  }

  async function callback(taskId: number, body: CallbackBody, declaredBytes: number | null): Promise<Applied['outcome']> {
    const startedAt = clock.now()
    try {
      const { outcome, jobId, kept, arrived, sizeBytes } = await take(taskId, body, declaredBytes)
      if (kept) deps.onResult()
      const ms = clock.now() - startedAt
      meter.callbackAnswered(outcome === 'unknown' ? 'unknown_token' : outcome, sizeBytes, ms)
      if (arrived !== null) meter.resultArrived(arrived, 'callback')
      log.info({ job: jobId, task: taskId, outcome, bytes: sizeBytes, ms }, `callback.${outcome}`)
      return outcome
    } catch (error) {
      meter.callbackAnswered(answerTo(error), 0, clock.now() - startedAt)
      throw error
    }
  }

  return { callback }
}
