export type Later = (undo: () => Promise<unknown>) => void

const cleanings = new Set<() => Promise<void>>()
let interrupted = false

function interrupt(): void {
  interrupted = true
  // Innermost first: what was begun last.
  const all = [...cleanings].toReversed()
  void all.reduce((before, clean) => before.then(clean), Promise.resolve()).finally(() => process.exit(130))
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt)

/** Ends, last first, what was begun, also where something fails or the terminal interrupts. */
export async function withCleanup<T>(run: (later: Later) => Promise<T>): Promise<T> {
  const undos: (() => Promise<unknown>)[] = []
  let cleaning: Promise<void> | null = null
  const cleanAll = async (): Promise<void> => {
    for (let undo = undos.pop(); undo !== undefined; undo = undos.pop()) await undo()
  }
  const clean = (): Promise<void> => (cleaning ??= cleanAll())
  cleanings.add(clean)
  try {
    return await run(undo => undos.push(undo))
  } catch (error) {
    // What breaks because its servers are being closed is no news.
    if (interrupted) await new Promise<never>(() => {})
    throw error
  } finally {
    await clean()
    cleanings.delete(clean)
  }
}
