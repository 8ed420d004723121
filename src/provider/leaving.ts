import { Dispatcher } from 'undici'

/** What is known of a request's way out. */
export type Leaving = {
  /** The dispatcher to make the request with, once. */
  dispatcher: Dispatcher
  /** Whether its first byte was about to leave. */
  left: () => boolean
  /** Resolves when its last byte was handed to the network; else never. */
  sent: Promise<void>
}

/** Tells when one request's first byte was about to leave, and when its last had left. It leaves once, or not at all. */
export function watchLeaving(agent: Dispatcher): Leaving {
  let left = false
  const sent = Promise.withResolvers<void>()
  const note = (handler: Dispatcher.DispatchHandler): void => {
    const onRequestStart = handler.onRequestStart?.bind(handler)
    const onRequestSent = handler.onRequestSent?.bind(handler)
    // The handler's own methods stay what they are; these two also leave word here.
    handler.onRequestStart = (controller, context) => {
      // What has left would be charged twice if it went out again on another connection: a body in memory could.
      if (left) throw new Error('this request has left before')
      // Called once the connection stands, right before the first byte.
      left = true
      onRequestStart?.(controller, context)
    }
    handler.onRequestSent = () => {
      sent.resolve()
      onRequestSent?.()
    }
  }
  return { dispatcher: new Noted(agent, note), left: () => left, sent: sent.promise }
}

/** An agent, but for a word with each handler. `compose` would make a proxy, which costs more. */
class Noted extends Dispatcher {
  readonly #agent: Dispatcher
  readonly #note: (handler: Dispatcher.DispatchHandler) => void

  constructor(agent: Dispatcher, note: (handler: Dispatcher.DispatchHandler) => void) {
    super()
    this.#agent = agent
    this.#note = note
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    this.#note(handler)
    return this.#agent.dispatch(options, handler)
  }
}
