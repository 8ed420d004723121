import type { Config } from '../config.ts'
import type { Blobs } from '../domain/ports.ts'
import type { Provider } from '../domain/provider.ts'
import type { Signer } from '../domain/signer.ts'
import type { Fetcher } from '../net/fetch.ts'
import { type CopyStep, startCopy } from '../steps/copy.ts'
import { type NotifyDeps, startNotify } from '../steps/notify.ts'
import { type PollStep, startPoll } from '../steps/poll.ts'
import { startRetention } from '../steps/retention.ts'
import { claimLeaseMs, type SubmitStep, startSubmit } from '../steps/submit.ts'
import { startSweep } from '../steps/sweep.ts'
import type { Addresses } from './addresses.ts'

export type StepsDeps = NotifyDeps & {
  blobs: Blobs
  provider: Provider
  fetcher: Fetcher
  signer: Signer
  addresses: Addresses
}

/** The steps that others wake or ask. */
export type Steps = {
  submit: SubmitStep
  copy: CopyStep
  /** null: results are never asked for. */
  poll: PollStep | null
  /** Ends what is under way; the signal cuts short what may take long. */
  close(signal: AbortSignal): Promise<void>
}

/** Starts all that works in the background. */
export function startSteps(config: Config, deps: StepsDeps): Steps {
  const { signer, addresses } = deps
  const copy = startCopy({ ...deps, maxBytes: config.maxCallbackBytes })
  const onResult = (): void => copy.wake()
  const poll =
    config.providerTasksPath === ''
      ? null
      : startPoll({
          ...deps,
          pollEveryMs: config.pollEveryS * 1_000,
          taskOfCallbackUrl: url => signer.taskOfToken(url.slice(url.lastIndexOf('/') + 1)),
          traceIds: (jobId, taskId) => signer.traceIds(jobId, taskId),
          onResult,
        })
  const submit = startSubmit({
    ...deps,
    maxInFlight: config.maxInFlight,
    submitTimeoutMs: config.submitTimeoutMs,
    firstPollAt: addresses.firstPollAt,
    callbackUrl: addresses.callbackUrl,
    traceId: (jobId, taskId) => signer.traceId(jobId, taskId),
    onResult,
  })
  const notify = startNotify(deps)
  const firstPollMs = Math.max(1_000 * config.pollAfterS, claimLeaseMs(config.submitTimeoutMs))
  const sweep = startSweep({ ...deps, firstPollMs, pollEveryMs: 1_000 * config.pollEveryS })
  const retention = startRetention({ ...deps, retentionDays: config.retentionDays })
  return {
    submit,
    copy,
    poll,
    async close(signal) {
      await Promise.all([
        submit.close(signal),
        notify.close(signal),
        copy.close(),
        poll?.close(),
        sweep.close(),
        retention.close(),
      ])
    },
  }
}
