import { describe, expect, test } from 'vitest'
import {
  billable,
  type Charge,
  isFinal,
  type JobStatus,
  jobStatus,
  jobStatuses,
  movesFrom,
  moveTask,
  type TaskEvent,
  type TaskState,
  type TaskStatus,
  taskStatuses,
} from '../../src/domain/job.ts'
import { apiError, events, newTask } from './tasks.ts'

/** What a list of events makes of a task, the n-th event at time n. */
function after(...types: TaskEvent['type'][]): TaskState {
  return types.reduce((task, type, index) => moveTask(task, events[type], index + 1).task, newTask)
}

/** One way to each status. */
const ways: Readonly<Record<TaskStatus, TaskEvent['type'][]>> = {
  queued: ['claimed', 'not_sent'],
  submitting: ['claimed'],
  submitted: ['claimed', 'accepted'],
  unconfirmed: ['claimed', 'unconfirmed'],
  succeeded: ['claimed', 'accepted', 'succeeded'],
  failed: ['claimed', 'accepted', 'failed'],
  canceled: ['claimed', 'accepted', 'canceled'],
  expired: ['claimed', 'accepted', 'expired'],
}

/** What each event comes to in each status: the status after it where it applies, else its outcome. */
const table = `
             queued     submitting  submitted  unconfirmed succeeded failed    canceled  expired
claimed      submitting ignored     ignored    ignored     ignored   ignored   ignored   ignored
accepted     submitted  submitted   ignored    submitted   ignored   ignored   ignored   ignored
not_sent     ignored    queued      ignored    ignored     ignored   ignored   ignored   ignored
refused      ignored    failed      failed     failed      ignored   ignored   ignored   ignored
unconfirmed  ignored    unconfirmed ignored    ignored     ignored   ignored   ignored   ignored
succeeded    succeeded  succeeded   succeeded  succeeded   duplicate late      late      late
failed       failed     failed      failed     failed      duplicate duplicate late      late
canceled     canceled   canceled    canceled   canceled    ignored   ignored   ignored   ignored
expired      expired    expired     expired    expired     ignored   ignored   ignored   ignored
`

function readTable(): { type: TaskEvent['type']; from: TaskStatus; becomes: string }[] {
  const [head = '', ...rows] = table.trim().split('\n')
  const columns = head.trim().split(/ +/)
  return rows.flatMap(row => {
    const [type = '', ...cells] = row.split(/ +/)
    return cells.map((becomes, index) => ({
      type: Object.values(events).find(event => event.type === type)?.type ?? 'claimed',
      from: taskStatuses.find(status => status === columns[index]) ?? 'queued',
      becomes,
    }))
  })
}

describe('the table of moves', () => {
  test('each event in each status', () => {
    const rows = readTable()
    expect(rows).toHaveLength(Object.keys(events).length * taskStatuses.length)
    for (const { type, from, becomes } of rows) {
      const before = after(...ways[from])
      const { outcome, task } = moveTask(before, events[type], 9)
      const found = outcome === 'applied' ? task.status : outcome
      expect(`${type} in ${from}: ${found}`).toBe(`${type} in ${from}: ${becomes}`)
      if (outcome !== 'applied') expect(task.status).toBe(from)
      expect(movesFrom[type].includes(from)).toBe(outcome === 'applied')
    }
  })

  test('the ways lead where they say', () => {
    for (const status of taskStatuses) expect(after(...ways[status]).status).toBe(status)
  })

  test('nothing leaves a final status', () => {
    for (const from of Object.values(movesFrom)) expect(from.filter(isFinal)).toEqual([])
  })

  test('a task is claimed only where it is queued', () => {
    expect(movesFrom.claimed).toEqual(['queued'])
  })

  test('what tells nothing new leaves the very same task, so that nothing is written', () => {
    for (const status of taskStatuses) {
      for (const type of ['claimed', 'unconfirmed', 'canceled', 'expired', 'not_sent'] as const) {
        const before = { ...after(...ways[status]), charge: 'none' } satisfies TaskState
        const { outcome, task } = moveTask(before, events[type], 9)
        if (outcome === 'ignored') expect(task).toBe(before)
      }
    }
    const done = after('claimed', 'succeeded')
    expect(moveTask(done, events.succeeded, 9).task).toBe(done)
  })

  test('the task that is given is never changed in place', () => {
    for (const status of taskStatuses) {
      for (const event of Object.values(events)) {
        const before = Object.freeze(after(...ways[status]))
        const copy = { ...before }
        moveTask(before, event, 9)
        expect(before).toEqual(copy)
      }
    }
  })
})

describe('what a move writes', () => {
  test('each claim is an attempt that may be charged', () => {
    expect(after('claimed')).toMatchObject({ attempts: 1, charge: 'possible', submittedAt: null })
    expect(after('claimed', 'not_sent', 'claimed')).toMatchObject({ status: 'submitting', attempts: 2, charge: 'possible' })
  })

  test('what certainly was not accepted costs nothing and waits', () => {
    expect(after('claimed', 'not_sent')).toEqual({ ...newTask, attempts: 1 })
  })

  test('an acceptance brings the ids and the time', () => {
    const ids = { providerTaskId: 'p-accepted', traceId: 'trace-accepted' }
    expect(after('claimed', 'accepted')).toMatchObject({ status: 'submitted', submittedAt: 2, completedAt: null, ...ids })
  })

  test('an unconfirmed task that is found keeps the time at which it was given up on', () => {
    expect(after('claimed', 'unconfirmed', 'accepted')).toMatchObject({ status: 'submitted', submittedAt: 2 })
  })

  test('a task that waits for another try, and is at the provider after all, is not submitted again', () => {
    const found = after('claimed', 'not_sent', 'accepted')
    expect(found).toMatchObject({ status: 'submitted', charge: 'possible', attempts: 1 })
    expect(moveTask(found, events.claimed, 9).outcome).toBe('ignored')
  })

  test('a refusal ends a task with the words of the provider, and no source', () => {
    const refused = { status: 'failed', charge: 'none', error: apiError, source: null, completedAt: 2, traceId: 'trace-of-error' }
    expect(after('claimed', 'refused')).toMatchObject(refused)
  })

  test('a refusal without a trace leaves the one that is known', () => {
    const found = after('claimed', 'unconfirmed', 'accepted')
    const error = { code: 'forbidden', message: 'no', traceId: null }
    expect(moveTask(found, { type: 'refused', error }, 9).task).toMatchObject({ status: 'failed', traceId: 'trace-accepted' })
  })

  test('a result that beats the answer to its submit is kept, and the answer only adds what is not known', () => {
    const early = moveTask(after('claimed'), { ...events.succeeded, taskId: null, traceId: null }, 5).task
    expect(early).toMatchObject({ status: 'succeeded', charge: 'made', submittedAt: 5, completedAt: 5, providerTaskId: null })
    const { outcome, task } = moveTask(early, events.accepted, 6)
    expect(outcome).toBe('ignored')
    expect(task).toEqual({ ...early, providerTaskId: 'p-accepted', traceId: 'trace-accepted' })
  })

  test('a doubled result may still tell the id at the provider', () => {
    const early = moveTask(after('claimed'), { ...events.succeeded, taskId: null, traceId: null }, 5).task
    const { outcome, task } = moveTask(early, events.succeeded, 6)
    expect(outcome).toBe('duplicate')
    expect(task).toEqual({ ...early, providerTaskId: 'p-succeeded', traceId: 'trace-succeeded' })
  })

  test('a result follows even an answer that said it was not accepted', () => {
    const done = after('claimed', 'not_sent', 'succeeded')
    expect(done).toMatchObject({ status: 'succeeded', charge: 'made', attempts: 1, source: 'callback' })
  })

  test('a failure that the provider reports costs nothing', () => {
    const failed = { status: 'failed', charge: 'none', source: 'poll', error: apiError, submittedAt: 2, completedAt: 3 }
    expect(after('claimed', 'accepted', 'failed')).toMatchObject(failed)
  })

  test('an answer that is certain, but comes after the submit was given up on, does not make it run again', () => {
    const unconfirmed = after('claimed', 'unconfirmed')
    expect(moveTask(unconfirmed, events.not_sent, 9)).toEqual({ outcome: 'ignored', task: unconfirmed })
    const found = after('claimed', 'unconfirmed', 'accepted')
    expect(moveTask(found, events.not_sent, 9)).toEqual({ outcome: 'ignored', task: found })
    expect(moveTask(found, events.refused, 9).task).toMatchObject({ status: 'failed', charge: 'none' })
  })
})

describe('what the provider said of a submit whose outcome is unknown', () => {
  const unconfirmed = { type: 'unconfirmed', error: apiError } as const
  const told = moveTask(after('claimed'), unconfirmed, 2).task

  test('is kept at once, and when it expires, and may still be charged', () => {
    expect(told).toMatchObject({ status: 'unconfirmed', error: apiError, charge: 'possible' })
    expect(moveTask(told, events.expired, 3).task).toMatchObject({ status: 'expired', error: apiError, charge: 'possible' })
  })

  test('is kept when it comes after the submit was given up on, and the first of it stays', () => {
    const late = moveTask(after('claimed', 'unconfirmed'), unconfirmed, 3)
    expect(late).toMatchObject({ outcome: 'ignored', task: { status: 'unconfirmed', error: apiError } })
    expect(moveTask(late.task, events.unconfirmed, 4).task).toBe(late.task)
  })

  test('counts no more when it is found there, makes a picture, or fails for another reason', () => {
    expect(moveTask(told, events.accepted, 3).task).toMatchObject({ status: 'submitted', error: null })
    expect(moveTask(told, events.succeeded, 3).task).toMatchObject({ status: 'succeeded', error: null, charge: 'made' })
    const other = { ...apiError, code: 'forbidden' }
    expect(moveTask(told, { ...events.failed, error: other }, 3).task).toMatchObject({ status: 'failed', error: other })
  })

  test('stays with a task that it took all the same, until that makes a picture', () => {
    const taken = moveTask(after('claimed'), { ...events.accepted, error: apiError }, 2).task
    expect(taken).toMatchObject({ status: 'submitted', error: apiError, providerTaskId: 'p-accepted' })
    expect(moveTask(taken, events.succeeded, 3).task).toMatchObject({ error: null })
  })
})

describe('what a result reports', () => {
  const report = { usage: { total_tokens: 7 }, costMicroCredits: 370_000, recordType: 'images' }
  const succeeded = { ...events.succeeded, ...report }

  test('is kept with it, late ones and failures included', () => {
    expect(moveTask(after('claimed'), succeeded, 2).task).toMatchObject(report)
    expect(moveTask(after('claimed'), { ...events.failed, ...report }, 2).task).toMatchObject(report)
    expect(moveTask(after('claimed', 'expired'), succeeded, 3)).toMatchObject({ outcome: 'late', task: report })
  })

  test('is added by a second result that tells more, and not changed by one that tells other things', () => {
    const first = after('claimed', 'succeeded')
    expect(moveTask(first, succeeded, 4)).toMatchObject({ outcome: 'duplicate', task: report })
    const whole = moveTask(first, succeeded, 4).task
    expect(moveTask(whole, { ...succeeded, costMicroCredits: 1, usage: { total_tokens: 8 } }, 5).task).toBe(whole)
  })

  test('of a late picture counts before that of the failure it followed', () => {
    const failure = moveTask(after('claimed'), { ...events.failed, costMicroCredits: 0 }, 2).task
    expect(moveTask(failure, succeeded, 3).task).toMatchObject({ status: 'failed', charge: 'made', costMicroCredits: 370_000 })
  })
})

describe('after the end', () => {
  test.each(['canceled', 'expired'] as const)('a picture for a task that is %s is late, kept once, and paid for', status => {
    const ended = after('claimed', 'accepted', status)
    const late = moveTask(ended, events.succeeded, 7)
    expect(late).toMatchObject({
      outcome: 'late',
      task: { status, charge: 'made', lateResultAt: 7, completedAt: 3, source: null },
    })
    expect(moveTask(late.task, events.succeeded, 8)).toEqual({ outcome: 'duplicate', task: late.task })
    expect(moveTask(late.task, events.failed, 8)).toEqual({ outcome: 'duplicate', task: late.task })
  })

  test('a picture after a failure that was polled is late too, and the failure stays', () => {
    const late = moveTask(after('claimed', 'accepted', 'failed'), events.succeeded, 7)
    expect(late).toMatchObject({ outcome: 'late', task: { status: 'failed', error: apiError, source: 'poll', charge: 'made' } })
  })

  test('a picture after a refusal is late', () => {
    expect(moveTask(after('claimed', 'refused'), events.succeeded, 7).outcome).toBe('late')
  })

  test('a failure after a cancel tells that nothing is billed, once', () => {
    const canceled = after('claimed', 'accepted', 'canceled')
    const first = moveTask(canceled, events.failed, 7)
    expect(first).toMatchObject({
      outcome: 'late',
      task: { status: 'canceled', charge: 'none', error: null, lateResultAt: null },
    })
    expect(moveTask(first.task, events.failed, 8)).toEqual({ outcome: 'duplicate', task: first.task })
    expect(moveTask(first.task, events.succeeded, 8).outcome).toBe('late')
  })

  test('an end without a picture, of which nobody says that it is a failure, leaves open what is billed', () => {
    const silent = { ...events.failed, mayBeBilled: true }
    const { outcome, task } = moveTask(after('claimed', 'accepted'), silent, 7)
    expect({ outcome, task }).toMatchObject({ outcome: 'applied', task: { status: 'failed', charge: 'possible' } })
    expect(moveTask(task, silent, 8)).toEqual({ outcome: 'duplicate', task })
    expect(moveTask(task, events.failed, 8)).toMatchObject({ outcome: 'late', task: { status: 'failed', charge: 'none' } })
    expect(moveTask(task, events.succeeded, 8)).toMatchObject({ outcome: 'late', task: { charge: 'made', lateResultAt: 8 } })
    const canceled = after('claimed', 'accepted', 'canceled')
    expect(moveTask(canceled, silent, 8)).toMatchObject({ outcome: 'duplicate', task: { charge: 'possible' } })
  })

  test.each(['not_sent', 'refused'] as const)('%s after a cancel tells that nothing is billed', type => {
    const { outcome, task } = moveTask(after('claimed', 'canceled'), events[type], 7)
    expect({ outcome, task }).toMatchObject({ outcome: 'ignored', task: { status: 'canceled', charge: 'none' } })
  })

  test('neither takes back that a picture was made', () => {
    for (const type of ['not_sent', 'refused', 'failed'] as const) {
      expect(moveTask(after('claimed', 'succeeded'), events[type], 7).task.charge).toBe('made')
      expect(moveTask(after('claimed', 'canceled', 'succeeded'), events[type], 7).task.charge).toBe('made')
    }
  })

  test('an acceptance after a cancel still tells the ids and when', () => {
    const { outcome, task } = moveTask(after('claimed', 'canceled'), events.accepted, 7)
    expect(outcome).toBe('ignored')
    expect(task).toMatchObject({ status: 'canceled', providerTaskId: 'p-accepted', submittedAt: 7, charge: 'possible' })
  })

  test('a submit of which nobody knows the end, of a task that was canceled meanwhile, tells from when on to look for it', () => {
    const canceled = after('claimed', 'canceled')
    expect(moveTask(canceled, events.unconfirmed, 7)).toEqual({ outcome: 'ignored', task: { ...canceled, submittedAt: 7 } })
    const found = moveTask(canceled, events.accepted, 5).task
    expect(moveTask(found, events.unconfirmed, 7)).toEqual({ outcome: 'ignored', task: found })
  })

  test('a task that is canceled or expires before it was submitted costs nothing', () => {
    expect(after('canceled')).toMatchObject({ status: 'canceled', charge: 'none', submittedAt: null, completedAt: 1 })
    expect(after('expired')).toMatchObject({ status: 'expired', charge: 'none', submittedAt: null, completedAt: 1 })
    expect(after('claimed', 'expired')).toMatchObject({ status: 'expired', charge: 'possible' })
  })
})

describe('a job', () => {
  const cases: [JobStatus, TaskStatus[]][] = [
    ['queued', ['queued']],
    ['queued', ['queued', 'queued']],
    ['processing', ['submitting']],
    ['processing', ['submitted']],
    ['processing', ['unconfirmed']],
    ['processing', ['queued', 'submitted']],
    ['processing', ['queued', 'failed']],
    ['processing', ['succeeded', 'queued']],
    ['processing', ['succeeded', 'unconfirmed', 'canceled']],
    ['succeeded', ['succeeded']],
    ['succeeded', ['failed', 'succeeded']],
    ['succeeded', ['expired', 'succeeded', 'failed']],
    ['failed', ['failed']],
    ['failed', ['failed', 'failed', 'failed']],
    ['expired', ['expired']],
    ['expired', ['failed', 'expired']],
    ['canceled', ['canceled']],
    ['canceled', ['succeeded', 'canceled']],
    ['canceled', ['failed', 'canceled', 'canceled']],
  ]
  test.each(cases)('is %s where its tasks are %j', (status, tasks) => {
    expect(jobStatus(tasks)).toBe(status)
    expect(jobStatus(tasks.toReversed())).toBe(status)
  })

  test('is final in four statuses', () => {
    expect(jobStatuses.filter(isFinal)).toEqual(['succeeded', 'failed', 'canceled', 'expired'])
    expect(taskStatuses.filter(isFinal)).toEqual(['succeeded', 'failed', 'canceled', 'expired'])
  })

  const charges: ['yes' | 'no' | 'unknown', Charge[]][] = [
    ['no', ['none']],
    ['no', ['none', 'none']],
    ['unknown', ['possible']],
    ['unknown', ['none', 'possible']],
    ['yes', ['made']],
    ['yes', ['none', 'made', 'possible']],
  ]
  test.each(charges)('is billed: %s, where its charges are %j', (answer, list) => {
    expect(billable(list)).toBe(answer)
  })
})
