/** To be asked before so many bytes are taken: the promise, where there is one, is to be awaited first. */
export type Turns = (sizeBytes: number) => Promise<void> | undefined

/**
 * Lets all that write at the same time take so many bytes in one turn of the event loop, together and first come, first served.
 * Node by itself goes on with one connection for as long as there is more of it to read, then with the next, and a request that
 * asks for little waits for all of them.
 */
export function makeTurns(bytesPerTurn: number): Turns {
  const waiting: { sizeBytes: number; begin: () => void }[] = []
  let leftBytes = bytesPerTurn
  let isTurning = false

  function turn(): void {
    isTurning = false
    leftBytes = bytesPerTurn
    while (leftBytes > 0) {
      const next = waiting.shift()
      if (next === undefined) return
      take(next.sizeBytes)
      next.begin()
    }
  }

  function take(sizeBytes: number): void {
    leftBytes -= sizeBytes
    if (isTurning) return
    isTurning = true
    setImmediate(turn)
  }

  return sizeBytes => {
    if (leftBytes <= 0) return new Promise(begin => waiting.push({ sizeBytes, begin }))
    take(sizeBytes)
    return undefined
  }
}
