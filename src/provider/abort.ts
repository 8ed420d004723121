/**
 * What `pending` gives, or the signal's reason as soon as it fires: undici looks at a signal only once the connection stands,
 * so that a host which drops packets would hold us 10 s longer. What is still pending then sends nothing any more.
 */
export async function unlessAborted<T>(pending: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort)
  // A signal that has fired already sends no event.
  if (signal.aborted) abort()
  try {
    return await Promise.race([pending, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
