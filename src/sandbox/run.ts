import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Agent } from 'undici'
import { postCallback } from './callback.ts'
import { createGate } from './gate.ts'
import { createInputReader, type FetchPicture } from './inputs.ts'
import { encodeJson } from './json.ts'
import { measure, render } from './render.ts'
import type { Shelf } from './shelf.ts'
import { type Picture, type Result, resultShape, type Task } from './task.ts'

/** A callback that was sent; `status` is null where there was no answer. */
export type SentCallback = { readonly at: number; readonly taskId: string; readonly url: string; readonly status: number | null }

export type RunnerOptions = {
  readonly delayMs: number
  /** How long a callback body takes under the fault `slow`. */
  readonly slowMs: number
  readonly folder: string
  readonly filesUrl: string
  readonly shelf: Shelf
  readonly fetchPicture: FetchPicture
  readonly now: () => number
  readonly onCallback: (callback: SentCallback) => void
  readonly onLog: (line: object) => void
}

/** A task on its way: `result` resolves with its result, `delivered` when the callback, where there is one, has been answered. */
export type Running = { readonly result: Promise<Result>; readonly delivered: Promise<void> }

const rendersAtOnce = 2
const lateFactor = 5
const callbackConnections = 128
const nothing = (): void => {}

/** Makes the results of tasks and sends them where they are wanted. */
export class Runner {
  readonly #options: RunnerOptions
  readonly #closing = new AbortController()
  /** Without keep-alive: a connection to a receiver that has restarted since would lose the callback. */
  readonly #dispatcher = new Agent({ pipelining: 0, connections: callbackConnections })
  readonly #readInput: ReturnType<typeof createInputReader>
  readonly #renderInTurn = createGate(rendersAtOnce)
  readonly #busy = new Map<Task, Promise<void>>()

  constructor(options: RunnerOptions) {
    this.#options = options
    this.#readInput = createInputReader(options.fetchPicture, this.#closing.signal)
  }

  /** How many tasks have a result or a callback still to come. */
  get busyCount(): number {
    return this.#busy.size
  }

  isBusy(task: Task): boolean {
    return this.#busy.has(task)
  }

  /** Starts a task. `callbackUrl` null: the result is only kept. */
  run(task: Task, callbackUrl: string | null): Running {
    if (task.faults.has('empty')) {
      void rm(task.folder, { recursive: true, force: true }).catch(nothing)
      return { result: new Promise(nothing), delivered: Promise.resolve() }
    }
    const result = this.#finish(task)
    const delivered = result.then(made => (callbackUrl === null ? undefined : this.#deliver(task, made, callbackUrl)))
    this.#busy.set(
      task,
      // Rejects only where the sandbox is closed meanwhile.
      delivered.catch(nothing).finally(() => this.#busy.delete(task)),
    )
    return { result, delivered }
  }

  /** Resolves when no task has a result or a callback still to come. */
  async settled(): Promise<void> {
    while (this.#busy.size > 0) await Promise.all(this.#busy.values())
  }

  /** Calls off everything that is still to come. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#dispatcher.destroy()
  }

  async #finish(task: Task): Promise<Result> {
    const { delayMs, shelf, now, onLog } = this.#options
    const waitMs = task.faults.has('late') ? delayMs * lateFactor : delayMs
    const [result] = await Promise.all([this.#make(task), pause(waitMs, undefined, { signal: this.#closing.signal })])
    task.finishedAt = now()
    task.result = result
    shelf.finish(task)
    const outcome = result.kind === 'failure' ? result.code : 'pictures'
    onLog({ event: 'task.finished', taskId: task.id, outcome, durationMs: task.finishedAt - task.createdAt })
    return result
  }

  async #make(task: Task): Promise<Result> {
    try {
      if (task.faults.has('failed') || task.faults.has('string-error')) {
        return { kind: 'failure', code: 'api_error', message: 'the model could not edit this picture' }
      }
      return { kind: 'pictures', pictures: await this.#draw(task) }
    } catch (error) {
      // Only the first line: the decoder's further ones name files of this machine.
      const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
      return { kind: 'failure', code: 'bad_request', message: `the image could not be read: ${reason}` }
    } finally {
      await rm(task.folder, { recursive: true, force: true }).catch(nothing)
    }
  }

  async #draw({ id, order, folder }: Task): Promise<Picture[]> {
    const inputs: string[] = []
    for (const image of order.images) inputs.push(await this.#readInput(image, folder))
    const [inputPath = ''] = inputs
    const maskPath = order.mask === null ? null : await this.#readInput(order.mask, folder)
    const pictures: Picture[] = []
    for (let variation = 0; variation < order.pictures; variation += 1) {
      const name = `${id}_${variation}.${order.format}`
      const outputPath = join(this.#options.folder, name)
      await this.#renderInTurn(async () => {
        // Only the first picture is drawn upon, but a real model would look at all of them.
        if (variation === 0) for (const path of inputs) await measure(path)
        await render({ ...order, inputPath, maskPath, variation, outputPath })
      })
      const { size: sizeBytes } = await stat(outputPath)
      pictures.push({ name, path: outputPath, sizeBytes, contentType: `image/${order.format}` })
    }
    return pictures
  }

  async #deliver(task: Task, result: Result, url: string): Promise<void> {
    if (task.faults.has('lost')) return
    const sends = task.faults.has('doubled') ? 2 : 1
    await Promise.all(Array.from({ length: sends }, () => this.#send(task, result, url)))
  }

  async #send(task: Task, result: Result, url: string): Promise<void> {
    const { now, filesUrl, slowMs, onCallback, onLog } = this.#options
    const at = now()
    const status = await postCallback(url, encodeJson(resultShape(task, result, 'callback', filesUrl)), {
      dispatcher: this.#dispatcher,
      closing: this.#closing.signal,
      isMalformed: task.faults.has('malformed'),
      overMs: task.faults.has('slow') ? slowMs : 0,
    })
    onCallback({ at, taskId: task.id, url, status })
    // Not the URL: it may hold the receiver's token.
    onLog({ event: 'callback.sent', taskId: task.id, status, durationMs: now() - at })
  }
}
