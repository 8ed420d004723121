import type { Config } from '../config.ts'
import type { Signer } from '../domain/signer.ts'
import { localUrl } from '../net/local-url.ts'

/** Where we are reached, and what follows from it. */
export type Addresses = {
  /** Port 0 is another one once we listen; before, and for every other port, it is the one that was set. */
  listensOn: (port: number) => void
  /** What our URLs begin with. */
  baseUrl: () => string
  /** Where the provider POSTs a task's result; null: nowhere, it is asked for. */
  callbackUrl: (taskId: number) => string | null
  /** When a task that was submitted now is first asked for; null: never. */
  firstPollAt: (now: number) => number | null
}

/** @param onThisMachine the provider is the sandbox, which reaches us without a public URL. */
export function makeAddresses(config: Config, signer: Signer, onThisMachine: boolean): Addresses {
  let boundPort = config.port
  const callbackBase = (): string | null =>
    config.publicUrl ?? (onThisMachine ? localUrl(config.host, boundPort, '127.0.0.1') : null)
  return {
    listensOn: port => {
      boundPort = port
    },
    baseUrl: () => config.publicUrl ?? localUrl(config.host, boundPort, 'localhost'),
    callbackUrl: taskId => {
      const base = callbackBase()
      return base === null ? null : `${base}/callbacks/${signer.callbackToken(taskId)}`
    },
    firstPollAt: now => {
      if (config.providerTasksPath === '') return null
      return now + 1_000 * (callbackBase() === null ? config.pollEveryS : config.pollAfterS)
    },
  }
}
