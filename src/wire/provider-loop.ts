import type { Clock } from '../domain/ports.ts'
import { leadsHere } from '../net/reach.ts'
import { pause } from '../steps/pause.ts'

/** What is asked of the provider comes to this service itself: each submit would make another one, without an end. */
export class ProviderIsHere extends Error {
  override readonly name = 'ProviderIsHere'

  constructor() {
    super(
      'PROVIDER_BASE_URL leads back to this service: each submit would come in as a new one. Set it to the address of the provider',
    )
  }
}

/** A start waits no longer than this for the answer. */
const answerWithinMs = 3_000
const firstWaitMs = 1_000
const longestWaitMs = 600_000

/**
 * Finds out whether the provider's address leads back here. Where nobody answers yet (a proxy in front of us may start after us),
 * it goes on looking until somebody does.
 * @param instance what only this process answers.
 * @param onLoop is told of it where it turns out later.
 * @param signal ends the looking.
 * @throws ProviderIsHere where it is known at once.
 */
export async function refuseProviderLoop(
  baseUrl: string,
  instance: string,
  { clock, onLoop, signal }: { clock: Clock; onLoop: (error: ProviderIsHere) => void; signal: AbortSignal },
): Promise<void> {
  const isHere = await leadsHere(baseUrl, instance, answerWithinMs)
  if (isHere === true) throw new ProviderIsHere()
  if (isHere === null) void lookOn()

  async function lookOn(): Promise<void> {
    for (let waitMs = firstWaitMs; ; waitMs = Math.min(longestWaitMs, 2 * waitMs)) {
      await pause(waitMs, clock, signal)
      if (signal.aborted) return
      const found = await leadsHere(baseUrl, instance, answerWithinMs)
      if (signal.aborted || found === false) return
      if (found === true) return onLoop(new ProviderIsHere())
    }
  }
}
