import type { Dispatcher } from 'undici'

/** What is known of a request's way out. */
export type Leaving = {
  /** The dispatcher to make the request with. */
  dispatcher: Dispatcher
  /** Whether its first byte was about to leave. */
  left: () => boolean
  /** Resolves when its last byte was handed to the network; else never. */
  sent: Promise<void>
}

/** Tells when one request's first byte was about to leave, and when its last had left. */
export function watchLeaving(agent: Dispatcher): Leaving {
  let left = false
  const sent = Promise.withResolvers<void>()
  const dispatcher = agent.compose(dispatch => (options, handler) => {
    const onRequestStart = handler.onRequestStart?.bind(handler)
    const onRequestSent = handler.onRequestSent?.bind(handler)
    // The handler's own methods stay what they are; these two also leave word here.
    handler.onRequestStart = (controller, context) => {
      // Called once the connection stands, right before the first byte.
      left = true
      onRequestStart?.(controller, context)
    }
    handler.onRequestSent = () => {
      sent.resolve()
      onRequestSent?.()
    }
    return dispatch(options, handler)
  })
  return { dispatcher, left: () => left, sent: sent.promise }
}
