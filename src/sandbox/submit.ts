import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { FaultName } from './faults.ts'
import { encodeJson, textOf } from './json.ts'
import { callbackUrlOf, isAsync, type Order, readOrder, traceIdOf, wordOf } from './order.ts'
import { type Input, type Received, receive } from './receive.ts'
import { type Refusal, refusal, refusalOf, sendRefusal, statusOf } from './refusal.ts'
import type { Runner, Running } from './run.ts'
import type { Shelf } from './shelf.ts'
import { resultShape, type Task } from './task.ts'

/** A picture as a submit brought it. */
export type SubmittedImage = {
  readonly kind: 'url' | 'file'
  readonly url?: string
  readonly bytes?: number
  /** 64 hex digits. */
  readonly sha256?: string
  readonly filename?: string
  readonly contentType?: string
}

/** A submit as it arrived, accepted or refused. */
export type Submit = {
  readonly at: number
  /** null where it was refused. */
  readonly taskId: string | null
  readonly model: string
  readonly prompt: string
  /** The other fields, as they were sent. */
  readonly params: Readonly<Record<string, unknown>>
  readonly images: readonly SubmittedImage[]
  readonly mask: SubmittedImage | null
  readonly callbackUrl: string | null
  readonly async: boolean
  /** The submit's own; null where it has none. */
  readonly traceId: string | null
  /** `accepted`, or the error code of the refusal. */
  readonly outcome: string
}

export type Desk = {
  readonly folder: string
  readonly filesUrl: string
  readonly shelf: Shelf
  readonly runner: Runner
  readonly now: () => number
  readonly refuseKey: (request: FastifyRequest) => Refusal | null
  readonly chooseFaults: (prompt: string) => ReadonlySet<FaultName>
  readonly onSubmit: (submit: Submit, sizeOfEcho: number) => void
}

/** Tasks that have a result still to come: beyond that, submits are refused. */
const maxBusyTasks = 5000

type Judgement = Refusal | { readonly kind: 'taken'; readonly order: Order; readonly faults: ReadonlySet<FaultName> }

/** Takes one submit from its first byte to its answer. */
export async function handleSubmit(desk: Desk, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const folder = join(desk.folder, `submit-${randomUUID()}`)
  await mkdir(folder)
  const received = await receive(request, folder)
  const judgement = judge(desk, request, received)
  if (judgement.kind === 'refusal') {
    await rm(folder, { recursive: true, force: true })
    note(desk, received, null, judgement.code)
    return sendRefusal(reply, judgement)
  }
  const { order, faults } = judgement
  const task = await accept(desk, order, faults, folder)
  note(desk, received, task, 'accepted')
  const running = desk.runner.run(task, faults.has('inline') ? null : order.callbackUrl)
  return answer(desk, task, running, reply)
}

function judge(desk: Desk, request: FastifyRequest, received: Received): Judgement {
  const order = desk.refuseKey(request) ?? readOrder(received)
  if (order.kind === 'refusal') return order
  const faults = desk.chooseFaults(order.prompt)
  const refused = refusalOf(faults)
  if (refused !== null) return refused
  if (desk.runner.busyCount >= maxBusyTasks) return refusal(429, 'rate_limited', 'too many tasks are running')
  return { kind: 'taken', order, faults }
}

async function accept({ shelf, runner, now }: Desk, order: Order, faults: ReadonlySet<FaultName>, folder: string): Promise<Task> {
  const task: Task = {
    id: randomUUID(),
    traceId: (faults.has('own-trace') ? null : order.traceId) ?? randomUUID(),
    order,
    faults,
    folder,
    createdAt: now(),
    finishedAt: null,
    result: null,
  }
  await shelf.forget(task.createdAt, one => runner.isBusy(one))
  shelf.add(task)
  return task
}

async function answer(desk: Desk, task: Task, running: Running, reply: FastifyReply): Promise<FastifyReply> {
  const { order, faults } = task
  if (faults.has('early')) await running.delivered
  const strange = answerStrangely(task, reply)
  if (strange) return strange
  if (!faults.has('inline') && (order.callbackUrl !== null || order.async)) return reply.send({ task_id: task.id })

  const result = await running.result
  const body = encodeJson(resultShape(task, result, 'answer', desk.filesUrl))
  const status = result.kind === 'failure' ? statusOf(result.code) : 200
  return reply
    .code(status)
    .type('application/json')
    .send(Readable.from(textOf(body), { objectMode: false }))
}

/** The faults that spoil the answer of a submit which was accepted; null where none of them is asked for. */
function answerStrangely({ id, traceId, faults }: Task, reply: FastifyReply): FastifyReply | null {
  if (faults.has('hang')) return reply.hijack()
  if (faults.has('reset')) {
    reply.hijack()
    reply.raw.socket?.resetAndDestroy()
    return reply
  }
  const page = '<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>'
  if (faults.has('502')) return reply.code(502).type('text/html').send(page)
  if (faults.has('garbage')) return reply.code(200).type('text/html').send('<html><body>It works!</body></html>')
  if (faults.has('429-taken')) {
    const error = { code: 'too_many_requests', message: 'too many requests' }
    return reply.code(429).send({ success: false, task_id: id, trace_id: traceId, error })
  }
  if (faults.has('503')) return sendRefusal(reply, refusal(503, 'api_error', 'the upstream is not available'))
  return faults.has('timeout') ? sendRefusal(reply, refusal(504, 'timeout', 'the request timed out')) : null
}

function note(desk: Desk, { fields, images, mask }: Received, task: Task | null, outcome: string): void {
  const { model, prompt, callback_url: _, async: __, trace_id: ___, ...params } = fields
  const submit: Submit = {
    at: task?.createdAt ?? desk.now(),
    taskId: task?.id ?? null,
    model: wordOf(model),
    prompt: wordOf(prompt),
    params,
    images: images.map(shown),
    mask: mask === null ? null : shown(mask),
    callbackUrl: callbackUrlOf(fields),
    async: isAsync(fields),
    traceId: traceIdOf(fields),
    outcome,
  }
  desk.onSubmit(submit, task?.order.echo.length ?? submit.prompt.length)
}

function shown(input: Input): SubmittedImage {
  if (input.kind === 'url') return { kind: 'url', url: input.url }
  const { kind, bytes, sha256, filename, contentType } = input
  return { kind, bytes, sha256, filename, contentType }
}
