/** Lets at most `limit` pieces of work run at once; the others wait, first come first served. */
export function createGate(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0
  const waiting: (() => void)[] = []

  return async work => {
    if (running >= limit) await new Promise<void>(resolve => waiting.push(resolve))
    else running += 1
    try {
      return await work()
    } finally {
      // The place goes straight to the next in line, so that nobody who just came can take it.
      const next = waiting.shift()
      if (next) next()
      else running -= 1
    }
  }
}
