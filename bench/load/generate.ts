import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Later } from '../cleanup.ts'
import type { ProcessFigures } from '../process-figures.ts'
import type { FromGenerator, Load, Measured, ToGenerator } from './protocol.ts'

/** Who is put under load. */
export type Target = { port: number; figures: Pick<ProcessFigures, 'cpuMs'> }

/** `cpuMs`: the processor time that the server used meanwhile. */
export type Run = Measured & { cpuMs: number }

export type Generator = {
  /** Keeps a body that is too large to be sent along with each request. */
  keep(name: string, body: Uint8Array): Promise<void>
  /** Puts a server under load. @throws Error where an answer was not as it must be: then its times say nothing. */
  run(target: Target, load: Omit<Load, 'port'>): Promise<Run>
  /** Ends a load that goes on until then. */
  stop(): void
}

/** Starts a load generator in a process of its own. */
export async function startGenerator(later: Later): Promise<Generator> {
  const child = fork(join(import.meta.dirname, 'generator.ts'), { serialization: 'advanced' })
  const exited = once(child, 'exit')
  later(async () => {
    child.disconnect()
    await exited
  })
  const answer = async (): Promise<FromGenerator> => {
    const [message]: unknown[] = await Promise.race([once(child, 'message'), exited.then(() => [null])])
    if (message === null) throw new Error('the load generator ended by itself')
    return message as FromGenerator // only generator.ts has the other end
  }
  const ask = async (message: ToGenerator): Promise<FromGenerator> => {
    const answered = answer()
    child.send(message)
    return answered
  }
  await answer()
  return {
    async keep(name, body) {
      await ask({ kind: 'keep', name, body })
    },
    async run({ port, figures }, load) {
      const cpuBeforeMs = figures.cpuMs()
      const told = await ask({ kind: 'run', load: { ...load, port } })
      if (told.kind === 'failed') throw new Error(told.message)
      if (told.kind !== 'measured') throw new Error(`the load generator answered ${told.kind}`)
      if (told.measured.wrong !== null) throw new Error(told.measured.wrong)
      return { ...told.measured, cpuMs: figures.cpuMs() - cpuBeforeMs }
    },
    stop: () => void child.send({ kind: 'stop' } satisfies ToGenerator),
  }
}
