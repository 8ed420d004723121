import { Worker } from 'node:worker_threads'
import { ServiceError } from '../domain/errors.ts'
import type { BatchReply, WriteFailure, WriteRequest } from './batch.ts'
import type { CommandArgs, CommandName, CommandResult } from './commands.ts'

export type Writer = {
  /**
   * Runs one command; resolves after the commit that holds it is on the disk.
   * @throws ServiceError `unavailable` where too many writes wait or the store failed, `storage_full` where the disk is full.
   */
  write<N extends CommandName>(name: N, args: CommandArgs<N>): Promise<CommandResult<N>>
  /** How many writes are not committed yet. */
  waiting(): number
  /** Commits what waits, and closes. */
  close(): Promise<void>
}

export type WriterEvents = {
  changed(jobIds: readonly string[]): void
  committed(commands: number, durationMs: number): void
  /** The store can't be relied on any more: the process must end. */
  fatal(error: Error): void
}

/** More writes than this waiting are refused: by then each waits for seconds. */
const maxWaiting = 20_000

type Waiting = { resolve: (value: never) => void; reject: (error: Error) => void }

function asError(failure: WriteFailure): Error {
  const cause = Object.assign(new Error(failure.message), { code: failure.code })
  if (failure.code === 'SQLITE_FULL')
    return new ServiceError('storage_full', 'the disk is full: nothing was kept of this request', { cause })
  if (failure.code !== null) {
    const message = 'the store could not confirm this: ask again, with the same Idempotency-Key where there is one'
    return new ServiceError('unavailable', message, { cause, retryAfterS: 5 })
  }
  return cause
}

/** Starts the writer thread on a database that is already at its newest version. */
export async function startWriter(path: string, events: WriterEvents): Promise<Writer> {
  const worker = new Worker(new URL('./writer-thread.ts', import.meta.url), { workerData: { path } })
  const waiting = new Map<number, Waiting>()
  let pending: WriteRequest[] = []
  let nextId = 0
  let state: 'open' | 'closing' | 'failed' = 'open'

  const fail = (error: Error): void => {
    if (state === 'failed') return
    state = 'failed'
    for (const { reject } of waiting.values()) reject(new ServiceError('unavailable', 'the store failed', { cause: error }))
    waiting.clear()
    events.fatal(error)
  }
  const flush = (): void => {
    if (pending.length === 0) return
    // As text: for small objects JSON is several times as fast as the copying of structures.
    worker.postMessage(JSON.stringify(pending))
    pending = []
  }
  const settle = (batch: BatchReply): void => {
    // First the news, then the answers: who waits for a job sees it before the one whose request changed it is answered.
    if (batch.changed.length > 0) events.changed(batch.changed)
    for (const reply of batch.replies) {
      const caller = waiting.get(reply.id)
      waiting.delete(reply.id)
      if ('failure' in reply) caller?.reject(asError(reply.failure))
      else caller?.resolve(reply.value as never) // the type was fixed by `write` below, which asked for it
    }
    events.committed(batch.replies.length, batch.commitMs)
    if (batch.fatal !== null) fail(Object.assign(new Error(batch.fatal.message), { code: batch.fatal.code }))
  }

  await new Promise<void>((resolve, reject) => {
    worker.once('message', () => resolve())
    worker.once('error', reject)
  })
  worker.removeAllListeners('error')
  worker.on('message', (text: string) => settle(JSON.parse(text) as BatchReply)) // from writer-thread.ts
  worker.on('error', error => fail(error instanceof Error ? error : new Error(String(error))))
  const exited = new Promise<void>(resolve => {
    worker.once('exit', code => {
      if (state === 'open') fail(new Error(`the writer thread ended with code ${code}`))
      resolve()
    })
  })

  return {
    write<N extends CommandName>(name: N, args: CommandArgs<N>): Promise<CommandResult<N>> {
      return new Promise((resolve, reject) => {
        if (state !== 'open') return reject(new ServiceError('unavailable', 'the service is stopping', { retryAfterS: 5 }))
        if (waiting.size >= maxWaiting) return reject(new ServiceError('unavailable', 'too many writes wait', { retryAfterS: 1 }))
        const id = nextId++
        waiting.set(id, { resolve, reject })
        pending.push({ id, name, args })
        // One message for all that is asked for in this turn of the event loop.
        if (pending.length === 1) setImmediate(flush)
      })
    },
    waiting: () => waiting.size,
    async close() {
      if (state === 'open') {
        state = 'closing'
        flush()
        worker.postMessage('close')
      }
      // It was never told to end, and has nothing left that anybody waits for.
      if (state === 'failed') await worker.terminate()
      await exited
    },
  }
}
