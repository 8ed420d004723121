import { join } from 'node:path'
import type { JobRequest } from '../../src/domain/request.ts'
import type { Result } from '../../src/domain/result.ts'
import type { NewJob } from '../../src/domain/store.ts'
import { readMigrations } from '../../src/store/migrate.ts'

export const migrationsFolder = join(import.meta.dirname, '..', '..', 'migrations', 'sqlite')
export const migrations = readMigrations(migrationsFolder)

export const request: JobRequest = {
  edit: {
    model: 'gpt-image-2',
    prompt: 'dark mode',
    inputs: [{ role: 'image', url: 'https://example.com/a.png', file: null }],
    params: { size: '1024x1536' },
    n: 1,
  },
  warnings: [],
  metadata: {},
  webhookUrl: null,
  webhookEvents: ['job.succeeded'],
  timeoutS: 1_800,
  isTimeoutGiven: false,
}

let count = 0

/** A job to be stored; each has an id of its own. */
export function newJob(changes: Partial<NewJob> = {}): NewJob {
  count += 1
  const now = changes.now ?? 1_000_000
  return {
    id: `job_${String(count).padStart(28, '0')}`,
    owner: '',
    request,
    fingerprint: 'a'.repeat(64),
    tasks: 1,
    retryOf: null,
    waiter: null,
    now,
    expiresAt: now + 1_800_000,
    idempotency: null,
    ...changes,
  }
}

export function succeeded(
  url = 'https://example.com/out.png',
  changes: Partial<Extract<Result, { kind: 'succeeded' }>> = {},
): Result {
  return {
    kind: 'succeeded',
    taskId: null,
    traceId: null,
    created: 1,
    images: [{ url, file: null, revisedPrompt: null }],
    ...changes,
  }
}

export function failed(code = 'api_error'): Result {
  return { kind: 'failed', taskId: null, traceId: null, error: { code, message: code, traceId: null } }
}
