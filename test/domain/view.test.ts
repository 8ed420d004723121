import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ImageRecord, JobRecord, TaskRecord } from '../../src/domain/records.ts'
import { jobError, jobView, type Links, timestamp } from '../../src/domain/view.ts'
import { apiError, newTask } from './tasks.ts'

const base = 'https://darkroom.example.com'
const links: Links = {
  job: id => `${base}/jobs/${id}`,
  image: (id, position) => `${base}/jobs/${id}/images/${position}?signed`,
  input: (id, position) => `${base}/jobs/${id}/inputs/${position}?signed`,
}
const noon = Date.UTC(2026, 0, 15, 12)
const noFile = { file: null, contentType: null, sizeBytes: null, sha256: null, width: null, height: null }

function task(changes: Partial<TaskRecord> = {}): TaskRecord {
  const record = { id: 1, jobId: 'job_1', position: 0, serverErrors: 0, dueAt: noon, polls: 0, expiresAt: noon + 1_800_000 }
  return { ...newTask, ...record, ...changes }
}

function image(changes: Partial<ImageRecord> = {}): ImageRecord {
  const arrived = { position: 0, taskId: 1, late: false, arrivedAt: noon + 83_999 }
  return {
    ...noFile,
    ...arrived,
    providerUrl: 'https://cdn.example.com/0.png',
    copyAt: null,
    copyError: null,
    revisedPrompt: null,
    created: 1777048863,
    ...changes,
  }
}

function job(changes: Partial<JobRecord> = {}): JobRecord {
  return {
    id: 'job_1',
    owner: 'alice',
    status: 'queued',
    model: 'gpt-image-2',
    prompt: 'dark mode',
    params: {},
    n: 1,
    metadata: {},
    warnings: [],
    webhookUrl: 'https://example.com/secret-hook',
    webhookEvents: ['job.failed'],
    fingerprint: 'f'.repeat(64),
    clientCallback: null,
    retryOf: null,
    queuePosition: null,
    createdAt: noon,
    submittedAt: null,
    completedAt: null,
    expiresAt: noon + 1_800_000,
    tasks: [task()],
    images: [],
    inputs: [{ ...noFile, position: 0, role: 'image', url: 'https://example.com/in.png' }],
    ...changes,
  }
}

const view = (changes: Partial<JobRecord> = {}) => jobView(job(changes), links)

describe('a job on the wire', () => {
  test('that is processing has these fields, in this order, and no others', () => {
    const processing = view({
      status: 'processing',
      params: { size: '1024x1536' },
      submittedAt: noon + 1_234,
      tasks: [
        task({ status: 'submitted', attempts: 1, charge: 'possible', providerTaskId: 'cb104e35', submittedAt: noon + 1_234 }),
      ],
      inputs: [
        {
          ...noFile,
          position: 0,
          role: 'image',
          url: null,
          file: 'in-0',
          contentType: 'image/png',
          sizeBytes: 12_345,
          sha256: 'a',
        },
      ],
    })
    expect(JSON.stringify(processing, null, 1)).toBe(
      JSON.stringify(
        {
          id: 'job_1',
          task_id: 'cb104e35',
          status: 'processing',
          model: 'gpt-image-2',
          prompt: 'dark mode',
          params: { size: '1024x1536' },
          n: 1,
          metadata: {},
          inputs: [{ role: 'image', url: `${base}/jobs/job_1/inputs/0?signed`, content_type: 'image/png', bytes: 12_345 }],
          warnings: [],
          cost: { multiplier: 1, credits: null, source: null, billable: 'unknown' },
          usage: null,
          tasks: [
            {
              task_id: 'cb104e35',
              status: 'submitted',
              attempts: 1,
              trace_id: null,
              source: null,
              submitted_at: '2026-01-15T12:00:01.234Z',
              completed_at: null,
              error: null,
            },
          ],
          queue_position: null,
          result: null,
          late_result: null,
          error: null,
          errors: [],
          retry_of: null,
          created_at: '2026-01-15T12:00:00.000Z',
          submitted_at: '2026-01-15T12:00:01.234Z',
          completed_at: null,
          expires_at: '2026-01-15T12:30:00.000Z',
          urls: { self: `${base}/jobs/job_1`, events: `${base}/jobs/job_1/events`, cancel: `${base}/jobs/job_1/cancel` },
        },
        null,
        1,
      ),
    )
  })

  test('tells nothing of its owner, its webhook or its fingerprint', () => {
    const text = JSON.stringify(view())
    for (const hidden of ['alice', 'secret-hook', 'ffff']) expect(text).not.toContain(hidden)
  })

  test('that has not been submitted has no task_id, and costs nothing', () => {
    expect(view()).toMatchObject({ task_id: null, status: 'queued', cost: { billable: 'no' }, submitted_at: null })
  })

  test('names the task_id of its first task, and all of them in tasks', () => {
    const tasks = [task({ providerTaskId: null }), task({ id: 2, position: 1, providerTaskId: 'p-2' })]
    expect(view({ tasks })).toMatchObject({ task_id: null, tasks: [{ task_id: null }, { task_id: 'p-2' }] })
  })

  test('gives a URL of its input back as it was given, fetched or not', () => {
    const url = 'https://example.com/in.png'
    const fetched = {
      position: 1,
      role: 'image',
      url,
      file: 'in-1',
      contentType: 'image/webp',
      sizeBytes: 9,
      sha256: 'a',
    } as const
    const inputs = [{ ...noFile, position: 0, role: 'image', url } as const, { ...noFile, ...fetched }]
    expect(view({ inputs }).inputs).toEqual([
      { role: 'image', url, content_type: null, bytes: null },
      { role: 'image', url, content_type: 'image/webp', bytes: 9 },
    ])
  })

  test('names the job that it is a retry of', () => {
    expect(view({ retryOf: 'job_0' }).retry_of).toBe('job_0')
  })
})

describe('its pictures', () => {
  test('are there with all that is known', () => {
    const facts = { file: 'out-0', contentType: 'image/png', sizeBytes: 99, sha256: 'abc', width: 1254, height: 1254 }
    expect(view({ images: [image({ ...facts, revisedPrompt: 'darker' })] }).result).toEqual({
      created: 1777048863,
      data: [
        {
          url: `${base}/jobs/job_1/images/0?signed`,
          provider_url: 'https://cdn.example.com/0.png',
          revised_prompt: 'darker',
          sha256: 'abc',
          bytes: 99,
          content_type: 'image/png',
          width: 1254,
          height: 1254,
          stored: true,
        },
      ],
    })
  })

  test('have null for what is not known yet', () => {
    const [first] = view({ images: [image({ providerUrl: null })] }).result?.data ?? []
    expect(first).toEqual({
      url: `${base}/jobs/job_1/images/0?signed`,
      provider_url: null,
      revised_prompt: null,
      sha256: null,
      bytes: null,
      content_type: null,
      width: null,
      height: null,
      stored: false,
    })
  })

  test('that are still to be copied are no reason for a warning, those that were given up are', () => {
    const warnings = ['size was dropped: nano-banana ignores it']
    const toCome = image({ copyAt: noon, copyError: 'answered 404' })
    expect(view({ warnings, images: [toCome] }).warnings).toEqual(warnings)
    const givenUp = image({ position: 1, copyError: 'answered 404' })
    expect(view({ warnings, images: [toCome, givenUp] }).warnings).toEqual([
      ...warnings,
      'the picture images/1 could not be copied: its URL answered 404. It may still be at provider_url, and a GET of it tries again',
    ])
  })

  test('whose kind is not known are named in a warning', () => {
    const facts = { file: 'out-0', contentType: 'application/octet-stream', sizeBytes: 99, sha256: 'abc' }
    const { warnings, result } = view({ images: [image(facts)] })
    expect(warnings).toEqual([expect.stringContaining('images/0')])
    expect(result?.data).toMatchObject([{ stored: true, content_type: 'application/octet-stream', width: null, height: null }])
  })

  test('have the time of their arrival where the provider tells none', () => {
    expect(view({ images: [image({ created: null })] }).result?.created).toBe(Math.floor((noon + 83_999) / 1_000))
  })

  test('that came late stand apart, and keep their index', () => {
    const { result, late_result: late } = view({ images: [image(), image({ position: 1, late: true, created: 7 })] })
    expect(result).toMatchObject({ created: 1777048863, data: [{ url: `${base}/jobs/job_1/images/0?signed` }] })
    expect(late).toMatchObject({ created: 7, data: [{ url: `${base}/jobs/job_1/images/1?signed` }] })
  })

  test('that all came late leave the result null', () => {
    expect(view({ status: 'expired', images: [image({ late: true })] })).toMatchObject({
      result: null,
      late_result: { data: [{}] },
    })
  })
})

describe('what it costs', () => {
  test.each([
    ['gpt-image-2', { size: '3840x2160' }, 1, { multiplier: 1.5, credits: null }],
    ['gpt-image-2', { size: 'auto' }, 2, { multiplier: 1, credits: null }],
    ['gpt-image-2', {}, 1, { multiplier: 1, credits: null }],
    ['nano-banana-2', {}, 3, { multiplier: 1, credits: 0.84 }],
    ['any-other', { size: 7 }, 1, { multiplier: 1, credits: null }],
  ])('%s with %j in %i tasks', (model, params, count, cost) => {
    const tasks = Array.from({ length: count }, (_, position) => task({ id: position + 1, position }))
    expect(view({ model, params, tasks }).cost).toMatchObject(cost)
  })

  const made = (costMicroCredits: number | null, position = 0) =>
    task({ id: position + 1, position, status: 'succeeded', charge: 'made', costMicroCredits })

  test.each([
    ['what all results say, before the table', [made(370_000), made(360_000, 1)], { credits: 0.73, source: 'reported' }],
    ['that of a failure as well', [made(370_000), task({ id: 2, status: 'failed' })], { credits: 0.37, source: 'reported' }],
    ['nothing, where a result says so', [made(0)], { credits: 0, source: 'reported' }],
    ['the table’s price, as long as one may still cost', [made(370_000), task({ id: 2 })], { credits: 0.28, source: 'table' }],
    ['the table’s price, where one did not say it', [made(370_000), made(null, 1)], { credits: 0.28, source: 'table' }],
    ['the table’s price, where none said it', [made(null)], { credits: 0.14, source: 'table' }],
  ])('is %s', (_what, tasks, cost) => {
    expect(view({ model: 'nano-banana', tasks }).cost).toMatchObject(cost)
  })

  test('is what is known so far, where the table has no price', () => {
    expect(view({ tasks: [made(370_000), made(null, 1)] }).cost).toMatchObject({ credits: 0.37, source: 'reported' })
    expect(view({ tasks: [made(null)] }).cost).toMatchObject({ credits: null, source: null })
  })

  test('is told without the noise of binary fractions', () => {
    expect(view({ tasks: [made(100_000), made(200_000, 1)] }).cost.credits).toBe(0.3)
  })

  test('in tokens is the sum of what its tasks say', () => {
    const tasks = [task({ usage: { total_tokens: 4 } }), task({ id: 2 }), task({ id: 3, usage: { total_tokens: 3 } })]
    expect(view({ tasks }).usage).toEqual({ total_tokens: 7 })
    expect(view().usage).toBeNull()
  })

  test('is certain as soon as one picture was made', () => {
    expect(view({ tasks: [task({ charge: 'made' }), task({ charge: 'possible' })] }).cost.billable).toBe('yes')
    expect(view({ tasks: [task({ charge: 'possible' }), task()] }).cost.billable).toBe('unknown')
  })
})

describe('what went wrong', () => {
  const failed = task({ status: 'failed', attempts: 1, error: apiError, traceId: 'trace-of-task' })
  const told = { code: 'api_error', message: 'fetch failed', type: 'api_error', trace_id: 'trace-of-error', retryable: true }

  test('of a job that failed is told in the words of the provider', () => {
    expect(view({ status: 'failed', tasks: [failed] })).toMatchObject({ error: told, errors: [told], tasks: [{ error: told }] })
  })

  test('has the trace of the task where the error has none', () => {
    const tasks = [{ ...failed, error: { ...apiError, traceId: null } }]
    expect(view({ status: 'failed', tasks }).error?.trace_id).toBe('trace-of-task')
  })

  test('of a job that succeeded all the same stands in errors alone', () => {
    const tasks = [failed, task({ id: 2, status: 'succeeded', charge: 'made' })]
    expect(view({ status: 'succeeded', tasks })).toMatchObject({ error: null, errors: [told] })
  })

  test('of a job that is under way stands in errors alone', () => {
    expect(view({ status: 'processing', tasks: [failed, task({ id: 2 })] })).toMatchObject({ error: null, errors: [told] })
  })

  test('of a job that expired is the deadline, with the trace of its task', () => {
    const tasks = [failed, task({ id: 2, status: 'expired', charge: 'possible', traceId: 'trace-2' })]
    const expired = { code: 'expired', type: 'api_error', trace_id: 'trace-2', retryable: true }
    expect(view({ status: 'expired', tasks })).toMatchObject({
      error: expired,
      errors: [told, expired],
      tasks: [{}, { error: expired }],
    })
  })

  const usedUp = { code: 'used_up', message: 'Insufficient credit balance', traceId: 'tr-1', status: 503 }
  const balance = { code: 'used_up', message: 'Insufficient credit balance', type: 'permission_error', trace_id: 'tr-1' }

  test('with a submit whose outcome is unknown stands in its task at once, and in the job when it expires', () => {
    const unconfirmed = task({ status: 'unconfirmed', charge: 'possible', error: usedUp })
    expect(view({ status: 'processing', tasks: [unconfirmed] })).toMatchObject({
      error: null,
      errors: [],
      tasks: [{ error: balance }],
    })
    expect(view({ status: 'expired', tasks: [{ ...unconfirmed, status: 'expired' }] })).toMatchObject({
      error: { ...balance, retryable: true },
      errors: [balance],
      tasks: [{ error: balance }],
      cost: { billable: 'unknown' },
    })
  })

  test('with a submit counts no more when a picture came late', () => {
    const tasks = [task({ status: 'expired', charge: 'made', error: usedUp, lateResultAt: noon })]
    expect(view({ status: 'expired', tasks })).toMatchObject({ error: { code: 'expired' }, cost: { billable: 'yes' } })
  })

  test('of a job that was canceled is nothing', () => {
    expect(view({ status: 'canceled', tasks: [task({ status: 'canceled' })] })).toMatchObject({ error: null, errors: [] })
  })

  test.each([
    ['invalid_token', 'authentication_error', true],
    ['token_expired', 'authentication_error', true],
    ['token_mismatched', 'authentication_error', false],
    ['no_token', 'authentication_error', false],
    ['used_up', 'permission_error', true],
    ['disabled', 'permission_error', true],
    ['forbidden', 'permission_error', false],
    ['bad_request', 'invalid_request_error', false],
    ['api_not_implemented', 'invalid_request_error', false],
    ['no_api', 'api_error', false],
    ['too_many_requests', 'rate_limit_error', true],
    ['rate_limited', 'rate_limit_error', true],
    ['api_error', 'api_error', true],
    ['timeout', 'api_error', true],
    ['no_result', 'api_error', true],
    ['provider_error', 'api_error', true],
    ['provider_unreachable', 'api_error', true],
    ['something_new', 'api_error', false],
    ['__proto__', 'api_error', false],
  ])('the code %s is of type %s; worth a retry: %s', (code, type, retryable) => {
    const error = { code, message: 'm', traceId: null, status: 400 }
    expect(jobError(error)).toEqual({ code, message: 'm', type, trace_id: null, retryable })
  })
})

test('times are RFC 3339 in UTC', () => {
  expect(timestamp(0)).toBe('1970-01-01T00:00:00.000Z')
  expect(timestamp(1_777_048_863_007)).toBe('2026-04-24T16:41:03.007Z')
  expect(timestamp(null)).toBeNull()
})

test('a time is written as a Date writes it, whatever was written before', () => {
  const time = fc.integer({ min: -8_640_000_000_000_000, max: 8_640_000_000_000_000 })
  const ofADay = fc.integer({ min: 0, max: 86_399_999 }).map(ms => Date.UTC(2026, 10, 22) + ms)
  const atMidnight = fc
    .integer({ min: -40_000, max: 40_000 })
    .chain(day => fc.constantFrom(-1, 0, 1).map(ms => day * 86_400_000 + ms))
  fc.assert(
    fc.property(fc.oneof(time, ofADay, atMidnight), at => timestamp(at) === new Date(at).toISOString()),
    { numRuns: 2_000 },
  )
  timestamp(0)
  expect(() => timestamp(8_640_000_000_000_001)).toThrow(RangeError)
})
