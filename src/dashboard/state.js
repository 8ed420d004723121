// @ts-check
import { useLayoutEffect, useState } from './htm-preact.js'

/**
 * @template T
 * @typedef {{ get: () => T, set: (next: T) => void, on: (listener: (value: T) => void) => () => void }} State
 */

/**
 * A value that tells of its changes.
 * @template T
 * @param {T} initial
 * @returns {State<T>}
 */
export function makeState(initial) {
  let value = initial
  /** @type {Set<(value: T) => void>} */
  const listeners = new Set()
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return
      value = next
      for (const listener of listeners) listener(value)
    },
    on(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/**
 * The value now; the component shows each later one too.
 * @template T
 * @param {State<T>} state
 * @returns {T}
 */
export function useValue(state) {
  const [, redraw] = useState({})
  useLayoutEffect(() => state.on(() => redraw({})), [state])
  return state.get()
}
