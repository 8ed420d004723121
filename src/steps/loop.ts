import type { Clock, Log } from '../domain/ports.ts'

/** What a pass says of what is left: `now` more at once; a time in ms since 1970; null: nothing until it is woken. */
export type Next = 'now' | number | null

export type Loop = {
  /** Look now. A hint only: nothing depends on one arriving. */
  wake(): void
  /** Resolves after a pass that began after this call. */
  pass(): Promise<void>
  /** Begins no further pass, and resolves when the one under way has ended. */
  close(): Promise<void>
}

/** However quiet it is, a loop looks this often: a wake-up that was missed costs no more than that. */
const longestSleepMs = 5_000
const waitAfterErrorMs = 1_000

/** Runs one step's passes, one at a time, until nothing is left; then sleeps until it is woken or something is due. */
export function startLoop(name: string, run: () => Promise<Next>, tools: { clock: Clock; log: Log }): Loop {
  let closed = false
  let running: Promise<void> | null = null
  let wanted = false
  let cancelTimer = (): void => {}
  let waiters: (() => void)[] = []

  async function passes(): Promise<void> {
    while (wanted && !closed) {
      wanted = false
      const served = waiters
      waiters = []
      const next = await attempt()
      for (const resolve of served) resolve()
      if (next === 'now') wanted = true
      else sleepUntil(next)
    }
  }
  async function attempt(): Promise<Next> {
    try {
      return await run()
    } catch (error) {
      tools.log.error({ err: error, step: name }, 'step.failed')
      return tools.clock.now() + waitAfterErrorMs
    }
  }
  function sleepUntil(at: number | null): void {
    cancelTimer()
    const delayMs = at === null ? longestSleepMs : Math.min(longestSleepMs, Math.max(0, at - tools.clock.now()))
    cancelTimer = tools.clock.after(delayMs, wake)
  }
  function wake(): void {
    wanted = true
    if (closed || running !== null) return
    running = passes().finally(() => {
      running = null
      // Woken between the last look and here.
      if (wanted && !closed) wake()
    })
  }

  wake()
  return {
    wake,
    pass() {
      if (closed) return Promise.resolve()
      return new Promise(resolve => {
        waiters.push(resolve)
        wake()
      })
    },
    async close() {
      closed = true
      cancelTimer()
      await running
      for (const resolve of waiters) resolve()
    },
  }
}
