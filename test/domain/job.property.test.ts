import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  billable,
  isFinal,
  type JobStatus,
  jobStatus,
  type MoveOutcome,
  moveTask,
  type TaskEvent,
  type TaskState,
  taskStatuses,
} from '../../src/domain/job.ts'
import { apiError, events, newTask } from './tasks.ts'

/** Tells whether the schema would take a task: the CHECKs of the real migrations. */
function schemaOracle(): (task: TaskState) => void {
  const database = new Database(':memory:')
  const folder = join(import.meta.dirname, '..', '..', 'migrations', 'sqlite')
  for (const file of readdirSync(folder).toSorted()) database.exec(readFileSync(join(folder, file), 'utf8'))
  // Of the job that a task belongs to, nothing matters here.
  database.pragma('foreign_keys = off')
  const insert = database.prepare(`
    insert into tasks (job_id, owner, position, status, charge, attempts, due_at, claimed_by, provider_task_id, trace_id, source,
      error, submitted_at, completed_at, late_result_at, expires_at)
    values ('job', '', @position, @status, @charge, @attempts, 0, @claimedBy, @providerTaskId, @traceId, @source, @error,
      @submittedAt, @completedAt, @lateResultAt, 0)`)
  let position = 0
  return task => {
    const claimedBy = task.status === 'submitting' ? 'somebody' : null
    insert.run({ ...task, position, claimedBy, error: task.error === null ? null : JSON.stringify(task.error) })
    position += 1
  }
}

/** A task, and all that happened to it. */
type Story = {
  task: TaskState
  claims: number
  wasUnconfirmed: boolean
  wasCanceled: boolean
  /** Pictures that came, by number, and which of them were kept. */
  arrived: number[]
  kept: number[]
}

const newStory = (): Story => ({ task: newTask, claims: 0, wasUnconfirmed: false, wasCanceled: false, arrived: [], kept: [] })

const ids = fc.record({ taskId: fc.constantFrom(null, 'p-1', 'p-2'), traceId: fc.constantFrom(null, 't-1', 't-2') })
const source = fc.constantFrom('callback' as const, 'poll' as const, 'inline' as const)
const error = fc.constantFrom(apiError, { code: 'forbidden', message: 'no', traceId: null, status: 403 })
const anyEvent: fc.Arbitrary<TaskEvent> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(events.claimed) },
  {
    weight: 2,
    arbitrary: fc.tuple(ids, fc.option(error)).map(([its, why]) => ({ type: 'accepted', error: why, ...its }) as const),
  },
  { weight: 2, arbitrary: fc.constant(events.not_sent) },
  { weight: 1, arbitrary: error.map(its => ({ type: 'refused', error: its }) as const) },
  { weight: 2, arbitrary: fc.option(error).map(its => ({ type: 'unconfirmed', error: its }) as const) },
  { weight: 2, arbitrary: fc.tuple(ids, source).map(([its, from]) => ({ type: 'succeeded', source: from, ...its }) as const) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(ids, source, error, fc.boolean())
      .map(([its, from, why, mayBeBilled]) => ({ type: 'failed', source: from, error: why, mayBeBilled, ...its }) as const),
  },
  { weight: 1, arbitrary: fc.constant(events.canceled) },
  { weight: 1, arbitrary: fc.constant(events.expired) },
)

/** What only happens to something that left for the provider at least once. */
function canHappen(event: TaskEvent, task: TaskState): boolean {
  return event.type === 'claimed' || event.type === 'canceled' || event.type === 'expired' || task.attempts > 0
}

/** One event at one task, and every promise about it. */
function step(story: Story, event: TaskEvent, now: number): Story {
  const { task: before } = story
  const { outcome, task } = moveTask(before, event, now)
  const next: Story = {
    task,
    claims: story.claims + (event.type === 'claimed' && outcome === 'applied' ? 1 : 0),
    wasUnconfirmed: story.wasUnconfirmed || task.status === 'unconfirmed',
    wasCanceled: story.wasCanceled || (event.type === 'canceled' && outcome === 'applied'),
    arrived: event.type === 'succeeded' ? [...story.arrived, now] : story.arrived,
    kept: event.type === 'succeeded' && (outcome === 'applied' || outcome === 'late') ? [...story.kept, now] : story.kept,
  }
  checkMove(before, event, outcome, task)
  checkStory(next)
  return next
}

function checkMove(before: TaskState, event: TaskEvent, outcome: MoveOutcome, task: TaskState): void {
  if (isFinal(before.status)) {
    const { status, completedAt, source: from, error: why, attempts } = before
    expect(task).toMatchObject({ status, completedAt, source: from, error: why, attempts })
    expect(outcome).not.toBe('applied')
  }
  if (event.type === 'succeeded') expect(['applied', 'late', 'duplicate']).toContain(outcome)
  if (event.type === 'failed') expect(['applied', 'late', 'duplicate']).toContain(outcome)
  if (outcome === 'ignored' || outcome === 'duplicate') expect(task.status).toBe(before.status)
  if (task.status === before.status && outcome === 'applied') expect.fail(`${event.type} was applied and changed nothing`)
  for (const once of ['providerTaskId', 'traceId', 'submittedAt', 'completedAt', 'source', 'lateResultAt', 'recordType'] as const)
    if (before[once] !== null) expect(task[once], once).toEqual(before[once])
}

function checkStory({ task, claims, wasUnconfirmed, arrived, kept }: Story): void {
  expect(task.attempts).toBe(claims)
  if (wasUnconfirmed) expect(['queued', 'submitting']).not.toContain(task.status)
  // The first picture is the one that is kept, and it is the only one.
  expect(kept).toEqual(arrived.slice(0, 1))
  expect(task.charge === 'made').toBe(kept.length === 1)
  if (task.charge === 'possible') expect(task.attempts).toBeGreaterThan(0)
  if (['submitting', 'submitted', 'unconfirmed'].includes(task.status)) expect(task.charge).toBe('possible')
  expect(task.completedAt !== null).toBe(isFinal(task.status))
  if (task.status === 'failed') expect(task.error).not.toBeNull()
  if (['queued', 'submitting', 'succeeded'].includes(task.status)) expect(task.error).toBeNull()
  if (task.status === 'submitted' || task.status === 'unconfirmed') expect(task.submittedAt).not.toBeNull()
  if (task.lateResultAt !== null) {
    expect(['failed', 'canceled', 'expired']).toContain(task.status)
    expect(kept).toEqual([task.lateResultAt])
  }
}

function checkJob(stories: readonly Story[], earlier: JobStatus): JobStatus {
  const tasks = stories.map(story => story.task)
  const status = jobStatus(tasks.map(task => task.status))
  if (isFinal(earlier)) expect(status).toBe(earlier)
  expect(isFinal(status)).toBe(tasks.every(task => isFinal(task.status)))
  const inTime = tasks.filter(task => task.status === 'succeeded').length
  if (status === 'succeeded') expect(inTime).toBeGreaterThan(0)
  if (status === 'failed' || status === 'expired') expect(inTime).toBe(0)
  if (status === 'expired') expect(tasks.some(task => task.status === 'expired')).toBe(true)
  if (isFinal(status)) expect(status === 'canceled').toBe(stories.some(story => story.wasCanceled))
  const paid = stories.some(story => story.arrived.length > 0)
  expect(billable(tasks.map(task => task.charge)) === 'yes').toBe(paid)
  return status
}

const plot = fc.array(fc.tuple(fc.nat(2), anyEvent), { maxLength: 40 })

test('whatever happens to the tasks of a job, in whatever order, the promises hold', () => {
  const schemaTakes = schemaOracle()
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), plot, (count, happenings) => {
      let stories = Array.from({ length: count }, newStory)
      let status: JobStatus = 'queued'
      for (const [now, [which, event]] of happenings.entries()) {
        // A job is canceled as a whole, and its tasks have one deadline.
        const isWhole = event.type === 'canceled' || event.type === 'expired'
        stories = stories.map((story, index) =>
          (isWhole || index === which % count) && canHappen(event, story.task) ? step(story, event, now) : story,
        )
        for (const { task } of stories) schemaTakes(task)
        status = checkJob(stories, status)
      }
    }),
    { numRuns: 1_000 },
  )
})

/** All that a task can come to be, by any order of events, its times and words left out. */
function reachable(): Map<string, TaskState> {
  const found = new Map<string, TaskState>()
  const open = [newTask]
  for (let task = open.pop(); task !== undefined; task = open.pop()) {
    const key = `${task.status} ${task.charge}${task.lateResultAt === null ? '' : ' late'}`
    const seen = `${key} ${task.source} ${task.attempts > 0} ${task.providerTaskId} ${task.submittedAt} ${task.error !== null}`
    if (found.has(seen)) continue
    found.set(seen, task)
    for (const event of Object.values(events)) if (canHappen(event, task)) open.push(moveTask(task, event, 1).task)
  }
  return found
}

test('these are all the states that there are, and the schema takes every one', () => {
  const schemaTakes = schemaOracle()
  const tasks = [...reachable().values()]
  for (const task of tasks) schemaTakes(task)
  const names = tasks.map(task => `${task.status} ${task.charge}${task.lateResultAt === null ? '' : ' late'}`)
  expect([...new Set(names)].toSorted()).toEqual(
    [
      'queued none',
      'submitting possible',
      'submitted possible',
      'unconfirmed possible',
      'succeeded made',
      'failed none',
      'failed made late',
      ...['canceled', 'expired'].flatMap(end => [`${end} none`, `${end} possible`, `${end} made late`]),
    ].toSorted(),
  )
  expect(new Set(tasks.map(task => task.status))).toEqual(new Set(taskStatuses))
})

test('the schema refuses what no order of events makes', () => {
  const schemaTakes = schemaOracle()
  const running = { ...newTask, attempts: 1 }
  expect(() => schemaTakes({ ...running, status: 'unconfirmed', charge: 'none' })).toThrow(/tasks_running/)
  expect(() => schemaTakes({ ...running, status: 'succeeded', charge: 'made', source: null, completedAt: 1 })).toThrow(
    /tasks_succeeded/,
  )
  expect(() => schemaTakes({ ...running, status: 'canceled' })).toThrow(/tasks_completed/)
})
