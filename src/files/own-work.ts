/** Which jobs' folders this process works in, and since when it has left each of them alone. */
export type OwnWork = {
  /** It does something in the folder just now. */
  note(jobId: string): void
  /** It has a file of the folder open until `closed`. */
  opened(jobId: string): void
  closed(jobId: string): void
  /** For how long this process has left it alone, in ms: 0 while it has a file open; Infinity where it was never there. */
  idleForMs(jobId: string): number
}

/** What was left alone for longer than this nobody asks about: so the list of folders does not grow for ever. */
const keptMs = 2 * 86_400_000

/** @param uptimeMs of a clock that nobody sets: it tells how long ago something was, not when. */
export function makeOwnWork(uptimeMs: () => number): OwnWork {
  const openFiles = new Map<string, number>()
  /** In the order of their last use. */
  const usedAtMs = new Map<string, number>()

  function note(jobId: string): void {
    const now = uptimeMs()
    usedAtMs.delete(jobId)
    usedAtMs.set(jobId, now)
    for (const [oldest, at] of usedAtMs) {
      if (now - at < keptMs) return
      usedAtMs.delete(oldest)
    }
  }

  return {
    note,
    opened(jobId) {
      openFiles.set(jobId, (openFiles.get(jobId) ?? 0) + 1)
      note(jobId)
    },
    closed(jobId) {
      const left = (openFiles.get(jobId) ?? 1) - 1
      if (left === 0) openFiles.delete(jobId)
      else openFiles.set(jobId, left)
      note(jobId)
    },
    idleForMs(jobId) {
      if (openFiles.has(jobId)) return 0
      const at = usedAtMs.get(jobId)
      return at === undefined ? Number.POSITIVE_INFINITY : uptimeMs() - at
    },
  }
}
