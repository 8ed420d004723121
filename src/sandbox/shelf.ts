import { rm } from 'node:fs/promises'
import type { FaultName } from './faults.ts'
import { isBase64, type Picture, type Task } from './task.ts'

/** A picture under a URL, and how often it was asked for. */
export type Served = { readonly picture: Picture; readonly faults: ReadonlySet<FaultName>; downloads: number }

const maxTasks = 1000
const maxAgeMs = 3_600_000
/** Of what the records echo: prompts may be long. */
const maxEchoLength = 32 * 1024 * 1024

/** The tasks that the sandbox still knows, and their pictures. The oldest that are over are forgotten. */
export class Shelf {
  readonly #tasks = new Map<string, Task>()
  readonly #pictures = new Map<string, Served>()
  #echoLength = 0

  /** The tasks, the newest first. */
  get tasks(): readonly Task[] {
    return [...this.#tasks.values()].toReversed()
  }

  find(id: string): Task | undefined {
    return this.#tasks.get(id)
  }

  /** The picture that is served under this name, counted as downloaded once more. */
  serve(name: string): Served | undefined {
    const served = this.#pictures.get(name)
    if (served !== undefined) served.downloads += 1
    return served
  }

  add(task: Task): void {
    this.#tasks.set(task.id, task)
    this.#echoLength += task.order.echo.length
  }

  /** To be called once a task has its result: from then on its pictures are served, unless they go out as base64. */
  finish(task: Task): void {
    if (task.result?.kind !== 'pictures' || isBase64(task)) return
    const { faults } = task
    for (const picture of task.result.pictures) this.#pictures.set(picture.name, { picture, faults, downloads: 0 })
  }

  /** Forgets what is too old or too much, but for the tasks that `isBusy` holds back. */
  async forget(now: number, isBusy: (task: Task) => boolean): Promise<void> {
    const forgotten: Task[] = []
    for (const task of this.#tasks.values()) {
      const isOver = now - task.createdAt > maxAgeMs || this.#tasks.size > maxTasks || this.#echoLength > maxEchoLength
      if (!isOver) break
      if (isBusy(task)) continue
      this.#tasks.delete(task.id)
      this.#echoLength -= task.order.echo.length
      forgotten.push(task)
    }
    await Promise.all(forgotten.map(task => this.#removePictures(task)))
  }

  async #removePictures({ result }: Task): Promise<void> {
    if (result?.kind !== 'pictures') return
    for (const { name, path } of result.pictures) {
      this.#pictures.delete(name)
      await rm(path, { force: true })
    }
  }
}
