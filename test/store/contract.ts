import { expect, test } from 'vitest'
import type { JobStore } from '../../src/domain/store.ts'
import { failed, newJob, request, succeeded } from '../support/jobs.ts'

const claim = { by: 'me', until: 9_000_000, now: 1_000_000, maxInFlight: 50, unconfirmedCountsMs: 300_000 }
const receipt = { sizeBytes: 10, body: '{}' }

/** What every JobStore holds, whatever it is built on. */
export function storeContract(open: () => Promise<JobStore>): void {
  /** A job with one task, claimed. */
  async function claimed(store: JobStore, changes = {}) {
    const job = newJob(changes)
    await store.createJob(job)
    const tasks = (await store.claimTasks(claim)).filter(task => task.jobId === job.id)
    return { jobId: job.id, taskIds: tasks.map(task => task.taskId), taskId: tasks[0]?.taskId ?? -1 }
  }
  const apply = (store: JobStore, taskId: number, result = succeeded(), now = 1_000_100) =>
    store.applyResult({ taskId, result, source: 'callback', now, copyAt: now, receipt })

  test('a job that was created is read back as it was given', async () => {
    const store = await open()
    const job = newJob({ tasks: 3, owner: 'web', retryOf: 'job_before' })
    expect(await store.createJob(job)).toEqual({ kind: 'created' })
    expect(await store.job(job.id)).toMatchObject({
      id: job.id,
      owner: 'web',
      status: 'queued',
      prompt: 'dark mode',
      params: { size: '1024x1536' },
      retryOf: 'job_before',
      createdAt: job.now,
      expiresAt: job.expiresAt,
      tasks: [{ status: 'queued', attempts: 0, charge: 'none' }, { position: 1 }, { position: 2 }],
      inputs: [{ role: 'image', url: 'https://example.com/a.png', file: null }],
      images: [],
    })
    expect(await store.job('job_none')).toBeNull()
  })

  test('a task is claimed once, and counts the attempt', async () => {
    const store = await open()
    const { jobId, taskIds } = await claimed(store)
    expect(taskIds).toHaveLength(1)
    expect(await store.claimTasks(claim)).toEqual([])
    expect(await store.job(jobId)).toMatchObject({
      status: 'processing',
      tasks: [{ status: 'submitting', attempts: 1, charge: 'possible' }],
    })
  })

  test('no more is claimed than there is room for at the provider', async () => {
    const store = await open()
    await store.createJob(newJob({ tasks: 5 }))
    expect(await store.claimTasks({ ...claim, maxInFlight: 2 })).toHaveLength(2)
    expect(await store.claimTasks({ ...claim, maxInFlight: 2 })).toHaveLength(0)
    expect(await store.claimTasks({ ...claim, maxInFlight: 3 })).toHaveLength(1)
    expect(await store.claimTasks({ ...claim, maxInFlight: 5, limit: 1 })).toHaveLength(1)
    expect(await store.claimTasks({ ...claim, maxInFlight: 4, limit: 1 })).toHaveLength(0)
  })

  test('an unconfirmed task takes room for a while, and then no more', async () => {
    const store = await open()
    const { taskId } = await claimed(store)
    await store.createJob(newJob())
    await store.taskUnconfirmed({ taskId, now: 1_000_000, pollAt: null })
    expect(await store.claimTasks({ ...claim, maxInFlight: 1, now: 1_299_999 })).toHaveLength(0)
    expect(await store.claimTasks({ ...claim, maxInFlight: 1, now: 1_300_001 })).toHaveLength(1)
  })

  test('keys take turns, and each key is served in order', async () => {
    const store = await open()
    const busy = [newJob({ owner: 'busy' }), newJob({ owner: 'busy' }), newJob({ owner: 'busy' })]
    const quiet = newJob({ owner: 'quiet' })
    for (const job of [...busy, quiet]) await store.createJob(job)
    const order: string[] = []
    for (let round = 1; round <= 4; round += 1) {
      const tasks = await store.claimTasks({ ...claim, maxInFlight: round })
      order.push(...tasks.map(task => task.jobId))
    }
    expect(order).toEqual([busy[0]?.id, quiet.id, busy[1]?.id, busy[2]?.id])
  })

  test('a task that waits for its next try is not claimed before its time', async () => {
    const store = await open()
    const { taskId } = await claimed(store)
    await store.taskReleased({ taskId, dueAt: 1_005_000, serverError: true, now: 1_000_000 })
    expect(await store.nextQueuedAt()).toBe(1_005_000)
    expect(await store.claimTasks({ ...claim, now: 1_004_999 })).toEqual([])
    expect(await store.claimTasks({ ...claim, now: 1_005_000 })).toMatchObject([{ taskId, attempts: 2 }])
  })

  test('a result succeeds the task and the job, and its picture is there to be copied', async () => {
    const store = await open()
    const { jobId, taskId } = await claimed(store)
    await store.taskSubmitted({ taskId, providerTaskId: 'p-1', traceId: null, now: 1_000_010, pollAt: 1_120_000 })
    expect(await apply(store, taskId)).toMatchObject({ outcome: 'applied', jobId, kept: true })
    const job = await store.job(jobId)
    expect(job).toMatchObject({
      status: 'succeeded',
      submittedAt: 1_000_010,
      completedAt: 1_000_100,
      tasks: [{ status: 'succeeded', source: 'callback', charge: 'made', providerTaskId: 'p-1' }],
      images: [{ position: 0, late: false, providerUrl: 'https://example.com/out.png', file: null }],
    })
    expect(await store.jobsByProviderTask('p-1')).toEqual([job])
    expect(await store.dueCopies(1_000_100, 10)).toMatchObject([{ jobId, position: 0, attempts: 0 }])
    expect(await store.nextPollAt()).toBeNull()
  })

  test('what the provider says of a submit is kept with its task, and what a result reports', async () => {
    const store = await open()
    const { jobId, taskId } = await claimed(store)
    const error = { code: 'used_up', message: 'no credits', traceId: null, status: 503 }
    await store.taskUnconfirmed({ taskId, error, now: 1_000_010, pollAt: null })
    expect(await store.job(jobId)).toMatchObject({ tasks: [{ status: 'unconfirmed', error }] })
    await store.taskPolled({ taskId, pollAt: null, recordType: 'images_edits' })
    const report = { usage: { total_tokens: 7 }, costMicroCredits: 370_000 }
    await apply(store, taskId, succeeded(undefined, report))
    expect(await store.job(jobId)).toMatchObject({
      tasks: [{ status: 'succeeded', error: null, recordType: 'images_edits', ...report }],
    })
  })

  test('jobs are found by a trace id of the provider’s or of their client’s, the newest first, and by none of another owner', async () => {
    const store = await open()
    const params = { trace_id: 'order-1' }
    const traced = { ...request, edit: { ...request.edit, params } }
    const jobs = [newJob({ owner: 'web' }), newJob({ owner: 'web', request: traced }), newJob({ owner: 'app', request: traced })]
    for (const job of jobs) await store.createJob(job)
    const [task] = await store.claimTasks({ ...claim, limit: 1 })
    await store.taskSubmitted({
      taskId: task?.taskId ?? 0,
      providerTaskId: 'p-1',
      traceId: 'order-1',
      now: 1_000_010,
      pollAt: null,
    })
    const found = async (owner: string | null) => (await store.jobsByTrace('order-1', owner)).map(job => job.id)
    const [first, second, third] = jobs.map(job => job.id)
    expect(await found('web')).toEqual([second, first])
    expect(await found('app')).toEqual([third])
    expect(await found(null)).toEqual([third, second, first])
    expect(await store.jobsByTrace('order-2', null)).toEqual([])
  })

  test('a record under a client’s trace id may be of tasks that were submitted with it and have no id of their own', async () => {
    const store = await open()
    const params = { trace_id: 'order-1' }
    const traced = { ...request, edit: { ...request.edit, params } }
    const { jobId, taskId } = await claimed(store, { request: traced })
    const known = await claimed(store, { request: traced })
    await store.taskSubmitted({ taskId: known.taskId, providerTaskId: 'p-1', traceId: null, now: 1_000_010, pollAt: null })
    const [other, waiting] = [await claimed(store), newJob({ request: traced })]
    await store.createJob(waiting)
    const under = (at: number) => store.tasksUnderTrace({ clientTraceId: 'order-1', at, slackMs: 1_000 })
    expect(other.taskId).not.toBe(taskId)
    expect(await under(1_000_000)).toEqual([{ taskId, jobId }])
    expect(await under(998_000)).toEqual([])
    expect(await under(9_000_000)).toEqual([])
  })

  test('the first result wins; what comes after it is noted and changes nothing', async () => {
    const store = await open()
    const { jobId, taskId } = await claimed(store)
    const outcomes = await Promise.all([1, 2, 3, 4].map(one => apply(store, taskId, succeeded(`https://example.com/${one}.png`))))
    expect(outcomes.map(one => one.outcome)).toEqual(['applied', 'duplicate', 'duplicate', 'duplicate'])
    expect(await apply(store, taskId, failed())).toMatchObject({ outcome: 'duplicate', kept: false })
    expect((await store.job(jobId))?.images).toMatchObject([{ providerUrl: 'https://example.com/1.png' }])
    expect((await store.callbacks(jobId)).map(one => one.outcome)).toEqual([
      'applied',
      'duplicate',
      'duplicate',
      'duplicate',
      'duplicate',
    ])
  })

  test('a result that beats the answer of its submit stays, and the answer adds the id', async () => {
    const store = await open()
    const { jobId, taskId } = await claimed(store)
    await apply(store, taskId)
    await store.taskSubmitted({ taskId, providerTaskId: 'p-2', traceId: 't', now: 1_000_200, pollAt: 1_120_000 })
    expect(await store.job(jobId)).toMatchObject({
      status: 'succeeded',
      tasks: [{ status: 'succeeded', providerTaskId: 'p-2', traceId: 't' }],
    })
    expect(await store.nextPollAt()).toBeNull()
  })

  test('a result after the end is kept as late, once, and the status stays', async () => {
    const store = await open()
    const { jobId, taskId } = await claimed(store)
    expect(await store.cancelJob({ jobId, now: 1_000_050 })).toBe('canceled')
    expect(await apply(store, taskId)).toMatchObject({ outcome: 'late', kept: true })
    expect(await apply(store, taskId)).toMatchObject({ outcome: 'duplicate', kept: false })
    expect(await store.job(jobId)).toMatchObject({ status: 'canceled', tasks: [{ charge: 'made' }], images: [{ late: true }] })
  })

  test('a job of several tasks ends with its last, and answers for all', async () => {
    const store = await open()
    const { jobId, taskIds } = await claimed(store, { tasks: 3 })
    const [first = -1, second = -1, third = -1] = taskIds
    await apply(store, second, succeeded('https://example.com/b.png'))
    await apply(store, first, failed())
    expect((await store.job(jobId))?.status).toBe('processing')
    await apply(store, third, succeeded('https://example.com/c.png'))
    const job = await store.job(jobId)
    expect(job?.status).toBe('succeeded')
    expect(job?.images.map(image => [image.position, image.providerUrl])).toEqual([
      [0, 'https://example.com/b.png'],
      [1, 'https://example.com/c.png'],
    ])
  })

  test('what is past its deadline expires; what was never submitted is not billed', async () => {
    const store = await open()
    const running = await claimed(store)
    const waiting = newJob()
    await store.createJob(waiting)
    expect(await store.nextExpiryAt()).toBe(waiting.expiresAt)
    expect(await store.expireDue({ now: waiting.expiresAt - 1, limit: 10 })).toBe(0)
    expect(await store.expireDue({ now: waiting.expiresAt, limit: 10 })).toBe(2)
    expect(await store.job(running.jobId)).toMatchObject({ status: 'expired', tasks: [{ charge: 'possible' }] })
    expect(await store.job(waiting.id)).toMatchObject({ status: 'expired', tasks: [{ charge: 'none', attempts: 0 }] })
    expect(await store.nextExpiryAt()).toBeNull()
  })

  test('claims of a process that died become unconfirmed, and are never claimed again', async () => {
    const store = await open()
    const { jobId } = await claimed(store)
    expect(await store.recoverClaims({ by: 'me', now: 1_000_500, pollAt: null })).toBe(0)
    expect(await store.recoverClaims({ by: 'another', now: 1_000_500, pollAt: 1_000_500 })).toBe(1)
    expect(await store.job(jobId)).toMatchObject({
      status: 'processing',
      tasks: [{ status: 'unconfirmed', submittedAt: 1_000_500 }],
    })
    expect(await store.claimTasks(claim)).toEqual([])
    expect(await store.duePolls(1_000_500, 10)).toMatchObject([{ jobId, providerTaskId: null }])
  })

  test('a task that ends while it is being submitted is looked for, whatever becomes of the process', async () => {
    const store = await open()
    const { jobId } = await claimed(store)
    await store.cancelJob({ jobId, now: 1_000_050 })
    expect(await store.duePolls(claim.until, 10)).toMatchObject([{ jobId, status: 'canceled' }])
  })

  test('an idempotency key is held by one job, whoever races', async () => {
    const store = await open()
    const jobs = Array.from({ length: 8 }, () => newJob({ owner: 'web', idempotency: { key: 'k', expiresBefore: 0 } }))
    const outcomes = await Promise.all(jobs.map(job => store.createJob(job)))
    expect(outcomes.filter(one => one.kind === 'created')).toHaveLength(1)
    expect(outcomes.filter(one => one.kind === 'exists' && one.jobId === jobs[0]?.id)).toHaveLength(7)
    expect(await store.createJob(newJob({ owner: 'app', idempotency: { key: 'k', expiresBefore: 0 } }))).toEqual({
      kind: 'created',
    })
  })

  test('an idempotency key is free again when it is old', async () => {
    const store = await open()
    const first = newJob({ idempotency: { key: 'k', expiresBefore: 0 } })
    await store.createJob(first)
    const job = await store.job(first.id)
    if (job === null) throw new Error('not stored')
    await store.saveAnswer({ owner: '', key: 'k', job })
    expect((await store.idempotencyKey('', 'k'))?.answer).toEqual(job)
    const second = newJob({ idempotency: { key: 'k', expiresBefore: first.now } })
    expect(await store.createJob(second)).toEqual({ kind: 'created' })
    expect(await store.idempotencyKey('', 'k')).toMatchObject({ jobId: second.id, answer: null })
  })

  const day = 86_400_000
  const waiter = (connection: string, changes = {}) => ({ connection, by: 'me', count: 0, caller: null, ...changes })
  const ask = (store: JobStore, connection: string, changes = {}, now = 1_000_300) =>
    store.claimAnswer({
      owner: '',
      fingerprint: 'a'.repeat(64),
      waiter: waiter(connection, changes),
      createdAfter: now - day,
      endedAfter: now - 600_000,
    })
  /** A job for which one connection waits. */
  async function awaited(store: JobStore, connection: string, changes = {}): Promise<string> {
    const job = newJob({ waiter: waiter(connection), ...changes })
    await store.createJob(job)
    return job.id
  }
  const gone = (store: JobStore, jobId: string, connection: string, delivered = false, now = 1_000_200) =>
    store.waiterGone({ jobId, connection, delivered, now })

  test('a job is claimed by one connection at a time, and again when that ends without its answer', async () => {
    const store = await open()
    const jobId = await awaited(store, 'first')
    expect(await ask(store, 'early')).toBeNull()
    await gone(store, jobId, 'first')
    const claims = await Promise.all(['a', 'b', 'c'].map(connection => ask(store, connection)))
    expect(claims).toEqual([{ jobId, kind: 'unmarked' }, null, null])
    await gone(store, jobId, 'a')
    expect(await ask(store, 'd', { count: 1 })).toEqual({ jobId, kind: 'marked' })
    await gone(store, jobId, 'd', true)
    // What is delivered stays so, whatever a connection that was late to end says of it.
    await gone(store, jobId, 'd')
    expect(await ask(store, 'e')).toBeNull()
    expect(await ask(store, 'f', { count: 2 })).toBeNull()
  })

  test('the newest job of the same owner and request is claimed, within its time', async () => {
    const store = await open()
    const old = await awaited(store, 'old')
    const young = await awaited(store, 'young', { now: 1_000_100 })
    await gone(store, old, 'old', false, 1_000_150)
    await gone(store, young, 'young', false, 1_000_150)
    await gone(store, await awaited(store, 'theirs', { owner: 'web' }), 'theirs')
    await gone(store, await awaited(store, 'other', { fingerprint: 'b'.repeat(64) }), 'other')
    await store.createJob(newJob())
    expect(await ask(store, 'late', {}, 1_600_150)).toBeNull()
    expect(await ask(store, 'in time', {}, 1_600_149)).toMatchObject({ jobId: young })
    await gone(store, young, 'in time', true)
    expect(await ask(store, 'too late', { count: 1 }, 1_000_000 + day)).toBeNull()
    expect(await ask(store, 'within a day', { count: 1 }, 999_999 + day)).toMatchObject({ jobId: old })
    await gone(store, old, 'within a day', true)
    expect(await ask(store, 'nothing left', { count: 1 })).toBeNull()
  })

  test('a request that is not marked as a retry gets no job that ended unbilled, and none of another address', async () => {
    const store = await open()
    const jobId = await awaited(store, 'first', { waiter: waiter('first', { caller: '10.0.0.1' }) })
    await gone(store, jobId, 'first')
    expect(await ask(store, 'elsewhere', { caller: '10.0.0.2' })).toBeNull()
    expect(await ask(store, 'same', { caller: '10.0.0.1' })).toMatchObject({ jobId })
    await gone(store, jobId, 'same')
    await store.claimTasks(claim)
    const task = (await store.job(jobId))?.tasks[0]?.id ?? -1
    await store.taskRefused({ taskId: task, error: { code: 'forbidden', message: 'no', traceId: null }, now: 1_000_250 })
    expect(await ask(store, 'anew', { caller: '10.0.0.1' })).toBeNull()
    expect(await ask(store, 'marked', { caller: '10.0.0.2', count: 1 })).toEqual({ jobId, kind: 'marked' })
  })

  test('where all are waited for, a marked retry joins the newest that was asked for less often', async () => {
    const store = await open()
    const first = await awaited(store, 'first')
    const second = await awaited(store, 'second', { now: 1_000_100 })
    expect(await ask(store, 'again', { count: 1 })).toEqual({ jobId: second, kind: 'joined' })
    expect(await ask(store, 'another', { count: 1 })).toEqual({ jobId: first, kind: 'joined' })
    expect(await ask(store, 'a third', { count: 1 })).toBeNull()
    expect(await ask(store, 'once more', { count: 2 })).toEqual({ jobId: second, kind: 'joined' })
    // One that waits is enough to keep others off; one that is given the answer is enough to end it.
    await gone(store, second, 'second')
    expect(await ask(store, 'unmarked')).toBeNull()
    await gone(store, second, 'again', true)
    await gone(store, second, 'once more')
    expect(await ask(store, 'late', { count: 9 })).toEqual({ jobId: first, kind: 'joined' })
  })

  test('the connections of a process that died have ended with it, and count from when that is noticed', async () => {
    const store = await open()
    const dead = await awaited(store, 'a', { waiter: waiter('a', { by: 'dead' }) })
    const alive = await awaited(store, 'b', { fingerprint: 'b'.repeat(64) })
    expect(await store.recoverWaiters({ by: 'me', now: 5_000_000 })).toBe(1)
    expect(await ask(store, 'too late', {}, 5_600_000)).toBeNull()
    expect(await ask(store, 'in time', {}, 5_599_999)).toMatchObject({ jobId: dead })
    expect(
      await store.claimAnswer({ owner: '', fingerprint: 'b'.repeat(64), waiter: waiter('c'), createdAfter: 0, endedAfter: 0 }),
    ).toBe(null)
    await store.cancelJob({ jobId: alive, now: 1_000_400 })
    expect(await store.deleteJob({ jobId: alive })).toBe(true)
  })

  test('only a final job is deleted, with everything that belongs to it', async () => {
    const store = await open()
    const { jobId, taskId } = await claimed(store)
    expect(await store.deleteJob({ jobId })).toBe(false)
    await apply(store, taskId)
    expect(await store.deleteJob({ jobId })).toBe(true)
    expect(await store.job(jobId)).toBeNull()
    expect(await store.callbacks(jobId)).toEqual([])
    expect(await store.dueCopies(9_000_000, 10)).toEqual([])
    expect(await apply(store, taskId)).toEqual({ outcome: 'unknown', jobId: null, kept: false, arrived: null })
  })

  test('the idempotency key of a deleted job stays taken, and no answer is kept under it any more, not even one that comes later', async () => {
    const store = await open()
    const held = { key: 'k', expiresBefore: 0 }
    const first = newJob({ idempotency: held })
    await store.createJob(first)
    const job = await store.job(first.id)
    if (job === null) throw new Error('not stored')
    await store.saveAnswer({ owner: '', key: 'k', job })
    await store.cancelJob({ jobId: first.id, now: 1_000_050 })
    expect((await store.idempotencyKey('', 'k'))?.answer).toEqual(job)
    expect(await store.deleteJob({ jobId: first.id })).toBe(true)
    expect(await store.idempotencyKey('', 'k')).toMatchObject({ jobId: first.id, answer: null })
    await store.saveAnswer({ owner: '', key: 'k', job })
    expect(await store.idempotencyKey('', 'k')).toMatchObject({ jobId: first.id, answer: null })
    expect(await store.createJob(newJob({ idempotency: held }))).toMatchObject({ kind: 'exists', jobId: first.id })
  })

  test('the id of a task is never used again, since a callback URL was made of it', async () => {
    const store = await open()
    const { jobId, taskId } = await claimed(store)
    await store.cancelJob({ jobId, now: 1_000_050 })
    await store.deleteJob({ jobId })
    expect((await claimed(store)).taskId).toBeGreaterThan(taskId)
  })

  test('jobs are listed newest first, by owner, state and model, page by page', async () => {
    const store = await open()
    const mine = [newJob({ owner: 'web' }), newJob({ owner: 'web' }), newJob({ owner: 'web' })]
    const other = newJob({ owner: 'web', request: { ...request, edit: { ...request.edit, model: 'nano-banana' } } })
    for (const job of [...mine, other, newJob({ owner: 'app' })]) await store.createJob(job)
    const everything = { owner: 'web', status: null, model: null, before: null, limit: 10 }
    const ids = async (changes: object): Promise<string[]> => (await store.jobs({ ...everything, ...changes })).map(job => job.id)
    expect(await ids({})).toEqual([other.id, mine[2]?.id, mine[1]?.id, mine[0]?.id])
    expect(await ids({ owner: null })).toHaveLength(5)
    expect(await ids({ model: 'nano-banana' })).toEqual([other.id])
    expect(await ids({ before: mine[2]?.id, limit: 1 })).toEqual([mine[1]?.id])
    await store.cancelJob({ jobId: other.id, now: 1_000_050 })
    expect(await ids({ status: 'canceled' })).toEqual([other.id])
    expect(await ids({ status: 'queued' })).toHaveLength(3)
  })

  test('a change is told before the write that made it is answered', async () => {
    const store = await open()
    const told: string[] = []
    const stop = store.onChange(jobId => told.push(jobId))
    const job = newJob()
    await store.createJob(job)
    expect(told).toEqual([job.id])
    stop()
    await store.cancelJob({ jobId: job.id, now: 1_000_050 })
    expect(told).toEqual([job.id])
  })

  test('a picture is copied once', async () => {
    const store = await open()
    const { jobId, taskId } = await claimed(store)
    await apply(store, taskId)
    const file = { name: 'out-1', sizeBytes: 7, sha256: 'b'.repeat(64), contentType: 'image/png', width: 1, height: 2 }
    await store.imageCopyFailed({ jobId, position: 0, copyAt: 1_009_000, reason: 'answered 404' })
    expect(await store.nextCopyAt()).toBe(1_009_000)
    expect(await store.imageCopied({ jobId, position: 0, file })).toBe(true)
    expect(await store.imageCopied({ jobId, position: 0, file: { ...file, name: 'out-2' } })).toBe(false)
    expect((await store.job(jobId))?.images).toMatchObject([
      { file: 'out-1', sizeBytes: 7, width: 1, height: 2, copyError: null },
    ])
    expect(await store.nextCopyAt()).toBeNull()
  })

  test('why a copy failed is kept, and a fault of our own counts as no try', async () => {
    const store = await open()
    const { jobId, taskId } = await claimed(store)
    await apply(store, taskId)
    const told: string[] = []
    store.onChange(id => told.push(id))
    const failing = { jobId, position: 0 }
    await store.imageCopyFailed({ ...failing, copyAt: 2_000_000, reason: 'answered 404' })
    await store.imageCopyFailed({ ...failing, copyAt: 2_000_000, reason: null })
    expect(await store.dueCopies(2_000_000, 10)).toMatchObject([
      { jobId, host: 'example.com', attempts: 1, arrivedAt: 1_000_100 },
    ])
    expect((await store.job(jobId))?.images).toMatchObject([{ copyError: 'answered 404', copyAt: 2_000_000 }])
    expect(told).toEqual([])
    await store.imageCopyFailed({ ...failing, copyAt: null, reason: 'answered 410' })
    expect((await store.job(jobId))?.images).toMatchObject([{ copyError: 'answered 410', copyAt: null, file: null }])
    expect(await store.dueCopies(9_000_000, 10)).toEqual([])
    expect(told).toEqual([jobId])
  })

  test('of each host some copies are due, those apart that were tried before', async () => {
    const store = await open()
    const { jobId, taskId } = await claimed(store)
    const at = (host: string, count: number) =>
      Array.from({ length: count }, (_, index) => ({ url: `https://${host}/${index}.png`, file: null, revisedPrompt: null }))
    await apply(store, taskId, succeeded('', { images: [...at('a.example', 5), ...at('b.example', 3)] }))
    for (let position = 0; position < 3; position += 1)
      await store.imageCopyFailed({ jobId, position, copyAt: 1_000_200 - position, reason: 'answered 404' })
    const due = await store.dueCopies(1_000_200, 2)
    expect(due.map(({ host, position, attempts }) => [host, position, attempts])).toEqual([
      ['a.example', 3, 0],
      ['a.example', 4, 0],
      ['a.example', 2, 1],
      ['a.example', 1, 1],
      ['b.example', 5, 0],
      ['b.example', 6, 0],
    ])
    expect(await store.nextCopyAt()).toBe(1_000_100)
    expect(await store.nextCopyAt(1_000_100)).toBe(1_000_198)
    expect(await store.nextCopyAt(1_000_200)).toBeNull()
  })

  test('what of a result is no picture is kept among the warnings, once', async () => {
    const store = await open()
    const { jobId, taskId } = await claimed(store)
    const before = (await store.job(jobId))?.warnings ?? []
    const result = succeeded('', { warnings: ['item 1 was left out', 'item 3 was left out'] })
    await apply(store, taskId, result)
    await apply(store, taskId, result)
    expect((await store.job(jobId))?.warnings).toEqual([...before, 'item 1 was left out', 'item 3 was left out'])
  })

  test('what is due to be sent is taken oldest first, and nothing of a host that is busy', async () => {
    const store = await open()
    const told = async (host: string, at: number): Promise<void> => {
      const { taskId } = await claimed(store, { request: { ...request, webhookUrl: `https://${host}/hook` } })
      await apply(store, taskId, succeeded(), at)
    }
    const [dead, alive, other] = ['dead.example', 'alive.example', 'other.example:8443']
    await told(dead, 1_000_100)
    await told(dead, 1_000_110)
    await told(alive, 1_000_130)
    await told(other, 1_000_120)
    await told(alive, 1_000_140)
    await told(other, 1_000_900)
    const take = async (busyHosts: string[], limit: number): Promise<unknown> => {
      const taken = await store.claimDeliveries({ by: 'one', now: 1_000_200, until: 9_000_000, limit, busyHosts })
      return taken.map(({ host, createdAt }) => [host, createdAt])
    }
    expect(await take([], 1)).toEqual([[dead, 1_000_100]])
    expect(await take([dead, 'unknown.example'], 2)).toEqual([
      [other, 1_000_120],
      [alive, 1_000_130],
    ])
    expect(await take([dead, alive], 9)).toEqual([])
    expect(await take([other], 9)).toEqual([
      [dead, 1_000_110],
      [alive, 1_000_140],
    ])
    expect(await take([], 9)).toEqual([])
    expect(await store.nextDeliveryAt()).toBe(1_000_900)
  })

  test('what a process was sending when it died is due at once, and nothing else is', async () => {
    const store = await open()
    for (const host of ['one.example', 'two.example', 'three.example']) {
      const { taskId } = await claimed(store, { request: { ...request, webhookUrl: `https://${host}/hook` } })
      await apply(store, taskId, succeeded(), 1_000_100)
    }
    const take = async (by: string) => {
      const [taken] = await store.claimDeliveries({ by, now: 1_000_200, until: 1_120_200, limit: 1, busyHosts: [] })
      return taken?.id ?? ''
    }
    const [postponed, lost, own] = [await take('dead'), await take('dead'), await take('alive')]
    await store.deliveryPostponed({ id: postponed, dueAt: 1_050_000 })
    expect(await store.recoverDeliveries({ by: 'alive', now: 1_000_300 })).toBe(1)
    expect(await store.nextDeliveryAt()).toBe(1_000_300)
    const again = await store.claimDeliveries({ by: 'alive', now: 1_000_300, until: 1_120_300, limit: 9, busyHosts: [] })
    expect(again.map(one => one.id)).toEqual([lost])
    expect(await store.nextDeliveryAt()).toBe(1_050_000)
    expect(own).not.toBe('')
  })

  test('a task that was canceled while it was submitted is asked for at once where its process died', async () => {
    const store = await open()
    const { taskId, jobId } = await claimed(store)
    await store.cancelJob({ jobId, now: 1_000_100 })
    expect(await store.nextPollAt()).toBeGreaterThan(1_000_200)
    await store.recoverClaims({ by: '', now: 1_000_200, pollAt: 1_000_200 })
    expect((await store.duePolls(1_000_200, 9)).map(task => task.taskId)).toEqual([taskId])
  })

  test('after a clock was set back nothing waits for longer than its longest wait, and what waits for less goes on waiting', async () => {
    const store = await open()
    const now = 1_000_000
    const clamp = { now, firstPollMs: 700_000, pollEveryMs: 30_000 }
    await store.createJob(newJob({ now: now + 3_600_000 }))
    expect(await store.nextQueuedAt()).toBe(now + 3_600_000)
    expect(await store.clampWaits(clamp)).toBe(1)
    expect(await store.nextQueuedAt()).toBe(now)
    const { taskId } = await claimed(store, { now, request: { ...request, webhookUrl: 'https://example.com/hook' } })
    await store.taskSubmitted({ taskId, providerTaskId: 't-1', traceId: null, now, pollAt: now + 900_000 })
    // The other one was claimed as well, and would be asked for when its claim is over.
    expect(await store.clampWaits(clamp)).toBe(2)
    expect(await store.nextPollAt()).toBe(now + 700_000)
    await store.taskPolled({ taskId, pollAt: now + 40_000 })
    expect(await store.clampWaits(clamp)).toBe(0)
    expect(await store.nextPollAt()).toBe(now + 40_000)
    await apply(store, taskId, succeeded(), now + 3_600_000)
    expect(await store.clampWaits(clamp)).toBe(2)
    expect([await store.nextCopyAt(), await store.nextDeliveryAt()]).toEqual([now, now])
    // While it is being sent, it is not to be sent a second time.
    await store.claimDeliveries({ by: 'me', now, until: now + 3_600_000, limit: 1, busyHosts: [] })
    await store.clampWaits(clamp)
    expect(await store.nextDeliveryAt()).toBe(now + 120_000)
    expect(await store.clampWaits(clamp)).toBe(0)
  })

  test('a callback that could not be read is noted, and its task is to be asked for at once', async () => {
    const store = await open()
    const { jobId, taskId } = await claimed(store)
    await store.taskSubmitted({ taskId, providerTaskId: 'p-3', traceId: null, now: 1_000_000, pollAt: 1_120_000 })
    expect(await store.callbackMalformed({ taskId, sizeBytes: 3, file: 'bad-1', now: 1_000_020 })).toBe(true)
    expect(await store.duePolls(1_000_020, 10)).toMatchObject([{ taskId, providerTaskId: 'p-3' }])
    expect(await store.callbacks(jobId)).toMatchObject([{ outcome: 'malformed', file: 'bad-1', body: null }])
  })

  test('no sender fills the disk with callbacks: beyond a hundred they leave no row', async () => {
    const store = await open()
    const { jobId, taskId } = await claimed(store)
    const outcomes = await Promise.all(Array.from({ length: 130 }, () => apply(store, taskId)))
    expect(outcomes.filter(one => one.outcome === 'duplicate')).toHaveLength(129)
    expect(await store.callbacks(jobId)).toHaveLength(100)
  })

  const figuresOf = (store: JobStore, now = 1_000_100) => store.figures({ now, unconfirmedCountsMs: 300_000 })
  /** `gpt-image-2 succeeded` → 3, those that are not 0. */
  async function countsOf(store: JobStore): Promise<Record<string, number>> {
    const { jobs } = await figuresOf(store)
    return Object.fromEntries(jobs.filter(row => row.count !== 0).map(row => [`${row.model} ${row.status}`, row.count]))
  }
  const ofModel = (model: string) => ({ request: { ...request, edit: { ...request.edit, model } } })

  test('jobs are counted by model and state through all of their moves, and names that the catalogue does not know together', async () => {
    const store = await open()
    const first = await claimed(store, { tasks: 2 })
    for (const model of ['invented-1', 'invented-2', '', 'nano-banana']) await store.createJob(newJob(ofModel(model)))
    expect(await countsOf(store)).toEqual({ 'gpt-image-2 processing': 1, 'other queued': 3, 'nano-banana queued': 1 })
    for (const taskId of first.taskIds) await apply(store, taskId)
    expect(await countsOf(store)).toMatchObject({ 'gpt-image-2 succeeded': 1 })
    const others = (await store.jobs({ owner: null, status: 'queued', model: 'invented-1', before: null, limit: 9 })).map(
      job => job.id,
    )
    await store.cancelJob({ jobId: others[0] ?? '', now: 1_000_050 })
    expect(await store.expireDue({ now: 2_800_000, limit: 10 })).toBe(3)
    expect(await countsOf(store)).toEqual({
      'gpt-image-2 succeeded': 1,
      'other canceled': 1,
      'other expired': 2,
      'nano-banana expired': 1,
    })
    await store.deleteJob({ jobId: first.jobId })
    expect(await store.dropJobs({ completedBefore: 2_800_001, limit: 3, now: 3_000_000 })).toHaveLength(3)
    expect(Object.values(await countsOf(store)).reduce((sum, count) => sum + count, 0)).toBe(1)
  })

  test('the bytes of pictures are counted as they come and go', async () => {
    const store = await open()
    const file = { name: 'in-0', sizeBytes: 100, sha256: 'b'.repeat(64), contentType: 'image/png', width: 1, height: 2 }
    const upload = { role: 'image', url: null, file } as const
    const { jobId, taskIds } = await claimed(store, {
      tasks: 3,
      request: { ...request, edit: { ...request.edit, inputs: [upload, ...request.edit.inputs] } },
    })
    expect((await figuresOf(store)).storedBytes).toEqual({ input: 100, output: 0 })
    await store.inputStored({ jobId, position: 1, file: { ...file, name: 'in-1', sizeBytes: 20 } })
    const [byFile = -1, byUrl = -1, third = -1] = taskIds
    await apply(
      store,
      byFile,
      succeeded('', { images: [{ url: null, file: { ...file, name: 'out-0', sizeBytes: 7 }, revisedPrompt: null }] }),
    )
    await apply(store, byUrl)
    expect((await figuresOf(store)).storedBytes).toEqual({ input: 120, output: 7 })
    await store.imageCopied({ jobId, position: 1, file: { ...file, name: 'out-1', sizeBytes: 3_000 } })
    await store.imageCopied({ jobId, position: 1, file: { ...file, name: 'out-2', sizeBytes: 4_000 } })
    expect((await figuresOf(store)).storedBytes).toEqual({ input: 120, output: 3_007 })
    await apply(store, third, failed())
    expect(await store.deleteJob({ jobId })).toBe(true)
    expect((await figuresOf(store)).storedBytes).toEqual({ input: 0, output: 0 })
  })

  test('what waits is counted, with the time since when it does', async () => {
    const store = await open()
    const none = { count: 0, firstDueAt: null }
    expect(await figuresOf(store)).toMatchObject({ queue: none, copies: none, deliveries: none, inFlight: 0, unconfirmed: 0 })
    const [{ taskId: one }, { taskId: two }] = [await claimed(store), await claimed(store)]
    await store.taskUnconfirmed({ taskId: two, now: 1_000_000, pollAt: null })
    await store.createJob(newJob({ tasks: 2, now: 1_000_020 }))
    await store.createJob(newJob({ now: 1_000_010 }))
    expect(await figuresOf(store)).toMatchObject({ queue: { count: 3, firstDueAt: 1_000_010 }, inFlight: 2, unconfirmed: 1 })
    expect(await figuresOf(store, 1_300_001)).toMatchObject({ inFlight: 1, unconfirmed: 1 })
    await apply(store, one)
    expect(await figuresOf(store)).toMatchObject({ copies: { count: 1, firstDueAt: 1_000_100 }, inFlight: 1 })
    const told = await claimed(store, { maxInFlight: 9, request: { ...request, webhookUrl: 'https://example.com/hook' } })
    await apply(store, told.taskId, succeeded(), 1_000_200)
    expect((await figuresOf(store)).deliveries).toEqual({ count: 1, firstDueAt: 1_000_200 })
  })

  test('a first result tells how long it was waited for; what follows it does not', async () => {
    const store = await open()
    const { taskId } = await claimed(store, ofModel('invented'))
    await store.taskSubmitted({ taskId, providerTaskId: 'p-9', traceId: null, now: 1_000_010, pollAt: null })
    expect((await apply(store, taskId)).arrived).toEqual({ model: 'other', kind: 'succeeded', waitedMs: 90 })
    expect((await apply(store, taskId)).arrived).toBeNull()
    const canceled = await claimed(store)
    await store.cancelJob({ jobId: canceled.jobId, now: 1_000_050 })
    expect((await apply(store, canceled.taskId)).arrived).toMatchObject({ model: 'gpt-image-2' })
    expect((await apply(store, canceled.taskId)).arrived).toBeNull()
  })
}
