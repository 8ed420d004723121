import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'
import { buildApp } from './app.ts'
import { createFaultChooser, type Fault, type FaultName } from './faults.ts'
import { type FetchPicture, fetchNothing } from './inputs.ts'
import { Journal } from './journal.ts'
import { type Refusal, refusal } from './refusal.ts'
import { Runner, type SentCallback } from './run.ts'
import { Shelf } from './shelf.ts'
import type { Desk, Submit } from './submit.ts'

export { type Fault, type FaultName, faultNames, faultsProblem, parseFaults } from './faults.ts'
export type { FetchPicture } from './inputs.ts'
export type { SentCallback } from './run.ts'
export type { Submit, SubmittedImage } from './submit.ts'

export type SandboxOptions = {
  /** On 127.0.0.1; 0 takes a free one. */
  readonly port: number
  /** From a submit to its result. */
  readonly delayMs: number
  /** What befalls every submit; names alone always do. */
  readonly faults: readonly (Fault | FaultName)[]
  /** null: any key will do, none too. */
  readonly apiKey?: string | null
  /** Where its pictures lie while it runs, in a folder of their own; the system's temporary folder by default. */
  readonly folder?: string
  /** How it gets a picture that is submitted as a URL. Left out: a task with one fails, and nothing is asked for. */
  readonly fetchPicture?: FetchPicture
  /** How long a callback takes under the fault `slow`; 3,000 by default. */
  readonly slowMs?: number
  readonly random?: () => number
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly onLog?: (line: object) => void
}

/** A running sandbox. */
export type Sandbox = {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  /** What a client takes for the provider's base URL. */
  readonly baseUrl: string
  /** What was submitted, the newest 10,000, in order of arrival; the same array always. */
  readonly submits: readonly Submit[]
  /** How many submits were accepted since the start. */
  readonly charges: number
  /** What was called back and answered, or could not be delivered (`status` null), the newest 10,000. */
  readonly callbacks: readonly SentCallback[]
  /** Resolves when no task has a result or a callback still to come. */
  settled(): Promise<void>
  /** Stops within a second, whatever the connections do, calls off what is still to come and removes the pictures. */
  close(): Promise<void>
}

const rememberedEntries = 10_000
const rememberedCharacters = 16 * 1024 * 1024
const closeDeadlineMs = 600
const defaultSlowMs = 3000

/**
 * Starts a provider of our own on a loopback port.
 * @throws where the port is taken.
 */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const folder = await mkdtemp(join(options.folder ?? tmpdir(), 'darkroom-sandbox-'))
  let desk: Desk | undefined
  const app = buildApp(() => {
    if (!desk) throw new Error('a request came before the sandbox was listening')
    return desk
  })
  let url: string
  try {
    url = await app.listen({ host: '127.0.0.1', port: options.port })
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
  const records = createRecords(options)
  const opened = openDesk(options, folder, `${url}/files`, records)
  desk = opened

  async function close(): Promise<void> {
    await Promise.race([
      Promise.allSettled([opened.runner.close(), app.close()]),
      pause(closeDeadlineMs, undefined, { ref: false }),
    ])
    // A picture that is just being written can make this fail; the next attempts come after it.
    await rm(folder, { recursive: true, force: true, maxRetries: 3, retryDelay: 50 }).catch(() => {})
  }
  let closed: Promise<void> | undefined
  return {
    url,
    baseUrl: `${url}/v1`,
    submits: records.submits.entries,
    callbacks: records.callbacks.entries,
    get charges() {
      return records.charges
    },
    settled: () => opened.runner.settled(),
    close: () => (closed ??= close()),
  }
}

type Records = {
  readonly submits: Journal<Submit>
  readonly callbacks: Journal<SentCallback>
  charges: number
  readonly onSubmit: Desk['onSubmit']
  readonly onCallback: (callback: SentCallback) => void
}

function createRecords({ onLog = () => {} }: SandboxOptions): Records {
  const records: Records = {
    submits: new Journal<Submit>(rememberedEntries, rememberedCharacters),
    callbacks: new Journal<SentCallback>(rememberedEntries, rememberedCharacters),
    charges: 0,
    onSubmit(submit, sizeOfEcho) {
      records.submits.add(submit, sizeOfEcho)
      if (submit.taskId !== null) records.charges += 1
      onLog({
        event: 'submit.answered',
        taskId: submit.taskId,
        model: submit.model,
        images: submit.images.length,
        outcome: submit.outcome,
      })
    },
    onCallback(callback) {
      records.callbacks.add(callback, callback.url.length)
    },
  }
  return records
}

function openDesk(options: SandboxOptions, folder: string, filesUrl: string, records: Records): Desk {
  const { delayMs, slowMs = defaultSlowMs, fetchPicture = fetchNothing, now = Date.now, random = Math.random } = options
  const { onLog = () => {} } = options
  const shelf = new Shelf()
  return {
    folder,
    filesUrl,
    shelf,
    runner: new Runner({ delayMs, slowMs, folder, filesUrl, shelf, fetchPicture, now, onCallback: records.onCallback, onLog }),
    now,
    refuseKey: createKeyCheck(options.apiKey ?? null),
    chooseFaults: createFaultChooser(options.faults, random),
    onSubmit: records.onSubmit,
  }
}

function createKeyCheck(apiKey: string | null): (request: FastifyRequest) => Refusal | null {
  return ({ headers: { authorization } }) => {
    if (apiKey === null || authorization === `Bearer ${apiKey}`) return null
    return authorization === undefined
      ? refusal(400, 'no_token', 'no token was sent')
      : refusal(401, 'invalid_token', 'invalid token')
  }
}
