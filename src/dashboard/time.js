// @ts-check
import { useEffect, useState } from './htm-preact.js'

/** How far the service's clock is ahead of this machine's, in ms. */
let aheadMs = 0

/**
 * Learns the service's time from an answer: all times are its own, and this machine's clock may be wrong.
 * @param {Headers} headers
 */
export function readClock(headers) {
  const at = Date.parse(headers.get('date') ?? '')
  // The header has whole seconds: only what is more than that tells of a wrong clock.
  if (!Number.isNaN(at)) aheadMs = Math.abs(at - Date.now()) < 2_000 ? 0 : at - Date.now()
}

/** Milliseconds since 1970, by the service's clock. */
export const now = () => Date.now() + aheadMs

/** @param {string} time */
export const since = time => Math.max(0, now() - Date.parse(time))

/**
 * Draws the component again each so many ms; null: never.
 * @param {number | null} everyMs
 */
export function useTick(everyMs) {
  const [, tick] = useState({})
  useEffect(() => {
    if (everyMs === null) return undefined
    const timer = setInterval(() => tick({}), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
}
