import { makeSigner } from '../src/domain/signer.ts'
import { header, line, quantile, row, spreadOf } from './figures.ts'
import { type Measured, measure, postHead } from './load.ts'
import type { PictureHost } from './picture-host.ts'
import { checkRows, type PreparedTask, secret } from './prepare.ts'
import type { Server } from './servers.ts'

export type CallbackRounds = { rounds: number; perRound: number; warmUp: number; whileCopying: number }

const connections = 64
const bodyBytes = 512
/** What is answered to a callback that was the first for its task. */
export const applied = '{"received":true,"outcome":"applied"}'

export const tasksNeeded = (plan: CallbackRounds): number => plan.warmUp + plan.rounds * plan.perRound + plan.whileCopying

function bodyOf(task: PreparedTask, pictureUrl: string): string {
  const body = (prompt: string): string => {
    const picture = { url: `${pictureUrl}/${task.providerTaskId}.png`, revised_prompt: prompt }
    const data = { created: 1_777_048_863, data: [picture] }
    return JSON.stringify({ success: true, task_id: task.providerTaskId, trace_id: `trace-${task.taskId}`, data })
  }
  return body('x'.repeat(Math.max(0, bodyBytes - body('').length)))
}

/** Durable callbacks with a URL in them, each the first for its task. */
export async function callbacks(
  plan: CallbackRounds,
  tasks: readonly PreparedTask[],
  on: { darkroom: Server; bare: Server; host: PictureHost; databasePath: string },
): Promise<void> {
  const signer = makeSigner([secret])
  const post = (server: Server, from: number, count: number): Promise<Measured> => {
    const mine = tasks.slice(from, from + count)
    const requests = mine.map(task => {
      const body = bodyOf(task, on.host.url)
      return { head: postHead(`/callbacks/${signer.callbackToken(task.taskId)}`, body.length) + body, answer: applied }
    })
    let next = 0
    return measure({ server, connections, next: () => requests[next++] ?? null })
  }

  await post(on.darkroom, 0, plan.warmUp)
  await post(on.bare, 0, plan.warmUp)
  const darkroom: Measured[] = []
  const bare: Measured[] = []
  for (let round = 0; round < plan.rounds; round += 1) {
    const from = plan.warmUp + round * plan.perRound
    darkroom.push(await post(on.darkroom, from, plan.perRound))
    bare.push(await post(on.bare, from, plan.perRound))
  }
  header('callbacks', 'darkroom, durable', 'bare Fastify', 'darkroom / bare')
  printRates(darkroom, bare)

  on.host.answer()
  const copying = await post(on.darkroom, plan.warmUp + plan.rounds * plan.perRound, plan.whileCopying)
  line(`  while the pictures of the earlier ones are being copied: ${Math.round(rate(copying)).toLocaleString('en')} a second`)
  const every = Math.max(1, Math.floor(tasks.length / 500))
  const checked = checkRows(
    on.databasePath,
    tasks.filter((_, index) => index % every === 0),
    tasks.length,
  )
  line(`  ${tasks.length.toLocaleString('en')} of ${bodyBytes} bytes, all 200 and applied; the rows of ${checked} were looked at`)
}

const rate = ({ requests, durationMs }: Measured): number => (requests / durationMs) * 1_000

export function printRates(darkroom: readonly Measured[], bare: readonly Measured[]): void {
  const each = (name: string, figure: (measured: Measured) => number): void => row(name, darkroom.map(figure), bare.map(figure))
  each('  a second', rate)
  each('  p50, ms', measured => quantile(measured.latenciesMs, 0.5))
  each('  p99, ms', measured => quantile(measured.latenciesMs, 0.99))
  each('  server CPU, µs each', ({ cpuMs, requests }) => (cpuMs / requests) * 1_000)
  const best = (side: readonly Measured[]): number => spreadOf(side.map(rate)).max
  line(`  best rounds compared: ${(best(darkroom) / best(bare)).toFixed(2)}`)
}
