import { Counter, Histogram, Registry } from 'prom-client'
import { sources } from '../domain/job.ts'
import { models, otherModels } from '../domain/models.ts'
import { callbackAnswers, claimKinds, type Meter } from '../domain/ports.ts'

/** What the model of a job is counted as; no other label ever stands for one. */
export const modelLabels: readonly string[] = [...models.map(model => model.id), otherModels]

const resultBoundsS = [1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1_200, 1_800]
const callbackBoundsS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const commitBoundsS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
const batchBounds = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
const requestBoundsS = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 120, 300]

/** Where figures are registered: always named, or they would land in the registry that the whole process shares. */
type Registers = Registry[]

export type CountedMeter = { meter: Meter; registry: Registry }

/** Counts what it is told of. All lines but those of HTTP requests are there from the start, at 0: what is missing could not rise. */
export function makeMeter(): CountedMeter {
  const registry = new Registry()
  const registers = [registry]
  const meter = {
    ...outgoingFigures(registers),
    ...callbackFigures(registers),
    ...resultFigures(registers),
    ...claimFigures(registers),
    ...commitFigures(registers),
    ...requestFigures(registers),
  }
  return { meter, registry }
}

/** What `make` gives for each value of a label: made once, so that counting looks nothing up. */
function byLabel<K extends string, C>(values: readonly K[], make: (value: K) => C): Readonly<Record<K, C>> {
  // Each of the values is there, and nothing else.
  return Object.fromEntries(values.map(value => [value, make(value)])) as Record<K, C>
}

/** One line of a counter, there from now on. */
function fromZero(line: Counter.Internal): Counter.Internal {
  line.inc(0)
  return line
}

/** What we send: submits, questions, deliveries. */
function outgoingFigures(registers: Registers): Pick<Meter, 'submitted' | 'polled' | 'deliveryAttempted'> {
  const labelNames = ['outcome']
  const submits = new Counter({
    name: 'darkroom_submits_total',
    help: 'Submits to the provider by outcome. accepted: it runs there; finished: the answer was the result; refused: for good; not_sent: certainly not accepted, tried again; unconfirmed: nobody knows, perhaps charged.',
    labelNames,
    registers,
  })
  const polls = new Counter({
    name: 'darkroom_polls_total',
    help: 'Tasks that the provider was asked for because no callback came, by what it said. failed: it did not answer.',
    labelNames,
    registers,
  })
  const deliveries = new Counter({
    name: 'darkroom_delivery_attempts_total',
    help: 'POSTs to webhook and callback URLs of clients. failed: tried again later; given_up: the last try, or an address that is gone.',
    labelNames,
    registers,
  })
  const outcomes = ['accepted', 'finished', 'refused', 'not_sent', 'unconfirmed'] as const
  const submitted = byLabel(outcomes, outcome => fromZero(submits.labels(outcome)))
  const polled = byLabel(['finished', 'unfinished', 'failed'], outcome => fromZero(polls.labels(outcome)))
  const attempted = byLabel(['delivered', 'failed', 'given_up'], outcome => fromZero(deliveries.labels(outcome)))
  return {
    submitted: outcome => submitted[outcome].inc(),
    polled: outcome => polled[outcome].inc(),
    deliveryAttempted: outcome => attempted[outcome].inc(),
  }
}

function callbackFigures(registers: Registers): Pick<Meter, 'callbackAnswered'> {
  const count = new Counter({
    name: 'darkroom_callbacks_total',
    help: "The provider's callbacks by answer. unknown_token: not of a task that is here; storage_full, not_kept: our disk or store failed; late: kept after the job's end.",
    labelNames: ['answer'],
    registers,
  })
  const bytes = new Counter({
    name: 'darkroom_callback_bytes_total',
    help: 'Bytes of callbacks that could be read.',
    registers,
  })
  const seconds = new Histogram({
    name: 'darkroom_callback_duration_seconds',
    help: 'Time from the head of a callback with a good token to its answer, the receiving of its body included.',
    buckets: callbackBoundsS,
    registers,
  })
  const answers = byLabel(callbackAnswers, answer => fromZero(count.labels(answer)))
  const [size, duration] = [bytes.labels(), seconds.labels()]
  return {
    callbackAnswered(answer, sizeBytes, durationMs) {
      answers[answer].inc()
      if (answer === 'unknown_token') return
      size.inc(sizeBytes)
      duration.observe(durationMs / 1_000)
    },
  }
}

function resultFigures(registers: Registers): Pick<Meter, 'resultArrived'> {
  const count = new Counter({
    name: 'darkroom_results_total',
    help: 'First results of tasks, by how they came (callback, poll: asked for, inline: with the answer to the submit) and what they were.',
    labelNames: ['source', 'result'],
    registers,
  })
  const seconds = new Histogram({
    name: 'darkroom_result_wait_seconds',
    help: "Time from a task's accepted submit to its first result, good or bad, by model.",
    labelNames: ['model'],
    buckets: resultBoundsS,
    registers,
  })
  const results = byLabel(sources, source => byLabel(['succeeded', 'failed'], result => fromZero(count.labels(source, result))))
  for (const model of modelLabels) seconds.zero({ model })
  const waits: Readonly<Record<string, Histogram.Internal<'model'>>> = byLabel(modelLabels, model => seconds.labels(model))
  return {
    resultArrived({ model, kind, waitedMs }, source) {
      results[source][kind].inc()
      if (waitedMs !== null) (waits[model] ?? waits[otherModels])?.observe(waitedMs / 1_000)
    },
  }
}

function claimFigures(registers: Registers): Pick<Meter, 'claimed'> {
  const claims = new Counter({
    name: 'darkroom_claims_total',
    help: "Requests of OpenAI's interface that got the job of an earlier one instead of a second charge. marked: they said that they repeat it; unmarked: they did not; joined: the earlier one was still waiting.",
    labelNames: ['kind'],
    registers,
  })
  const claimed = byLabel(claimKinds, kind => fromZero(claims.labels(kind)))
  return { claimed: kind => claimed[kind].inc() }
}

function commitFigures(registers: Registers): Pick<Meter, 'committed'> {
  const sizes = new Histogram({
    name: 'darkroom_commit_writes',
    help: 'How many writes shared one commit.',
    buckets: batchBounds,
    registers,
  })
  const seconds = new Histogram({
    name: 'darkroom_commit_duration_seconds',
    help: 'Time of one transaction of the writer thread, its sync to the disk included.',
    buckets: commitBoundsS,
    registers,
  })
  const [size, duration] = [sizes.labels(), seconds.labels()]
  return {
    committed(writes, durationMs) {
      size.observe(writes)
      duration.observe(durationMs / 1_000)
    },
  }
}

/** As many lines as there are routes, methods and classes of status that were met. */
function requestFigures(registers: Registers): Pick<Meter, 'requestAnswered'> {
  const seconds = new Histogram({
    name: 'darkroom_http_request_duration_seconds',
    help: 'HTTP requests by route, method and class of status, without callbacks. Requests that wait for a picture, and streams, take as long as they are held.',
    labelNames: ['route', 'method', 'status'],
    buckets: requestBoundsS,
    registers,
  })
  return {
    requestAnswered(method, route, status, durationMs) {
      seconds.observe({ route, method, status: `${Math.floor(status / 100)}xx` }, durationMs / 1_000)
    },
  }
}
