import type { FromGenerator, ToGenerator } from './protocol.ts'
import { runLoad } from './run.ts'

/* The process that makes the load, so that its garbage and its turns are not those of who measures. Told what to do by messages. */

const bodies = new Map<string, Uint8Array>()
let stopped = false

const tell = (message: FromGenerator): void => void process.send?.(message)

async function take(message: ToGenerator): Promise<void> {
  switch (message.kind) {
    case 'keep':
      bodies.set(message.name, message.body)
      return tell({ kind: 'kept' })
    case 'stop':
      stopped = true
      return
    case 'run':
      stopped = false
      return tell({ kind: 'measured', measured: await runLoad(message.load, bodies, () => stopped) })
    default:
      message satisfies never
  }
}

process.on('message', (message: ToGenerator) => {
  take(message).catch((error: unknown) =>
    tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error) }),
  )
})
// Goes with the process that measures, however that ends.
process.on('disconnect', () => process.exit(0))
tell({ kind: 'ready' })
