import type Database from 'better-sqlite3'
import { countedAs } from '../domain/models.ts'
import type { JobRecord } from '../domain/records.ts'
import type { Created, NewJob } from '../domain/store.ts'
import { clientTraceOf } from '../domain/trace.ts'
import type { Changed } from './commands.ts'
import { waitersInsert } from './write-waiters.ts'

export function jobCommands(database: Database.Database, changed: Changed) {
  const insertJob = database.prepare(`
    insert into jobs (id, owner, status, model, counted_as, prompt, params, n, metadata, warnings, webhook_url, webhook_events, callback_url,
      callback_base64, answered_at, caller, fingerprint,
      retry_of, created_at, expires_at, client_trace_id)
    values (@id, @owner, 'queued', @model, @countedAs, @prompt, @params, @n, @metadata, @warnings, @webhookUrl, @webhookEvents, @callbackUrl,
      @callbackBase64, @answeredAt, @caller, @fingerprint,
      @retryOf, @now, @expiresAt, @clientTraceId)`)
  const insertTask = database.prepare(`
    insert into tasks (job_id, owner, position, status, due_at, expires_at) values (@id, @owner, @position, 'queued', @now, @expiresAt)`)
  const insertInput = database.prepare(`
    insert into inputs (job_id, position, role, url, file, content_type, size_bytes, sha256, width, height)
    values (@id, @position, @role, @url, @file, @contentType, @sizeBytes, @sha256, @width, @height)`)
  const insertEvent = database.prepare("insert into events (job_id, owner, type, at) values (@id, @owner, 'job.queued', @now)")
  const idempotency = idempotencyKeys(database)
  const wait = waitersInsert(database)
  const remove = database.prepare("delete from jobs where id = @id and status in ('succeeded', 'failed', 'canceled', 'expired')")

  return {
    createJob(a: NewJob): Created {
      const taken = a.idempotency === null ? null : idempotency.take(a.owner, a.idempotency, a)
      if (taken !== null) return { kind: 'exists', ...taken }
      const { id, owner, now, expiresAt, request } = a
      const { edit } = request
      insertJob.run({
        id,
        owner,
        model: edit.model,
        countedAs: countedAs(edit.model),
        prompt: edit.prompt,
        params: JSON.stringify(edit.params),
        n: edit.n,
        metadata: JSON.stringify(request.metadata),
        warnings: JSON.stringify(request.warnings),
        webhookUrl: request.webhookUrl,
        webhookEvents: JSON.stringify(request.webhookEvents),
        callbackUrl: request.clientCallback?.url ?? null,
        callbackBase64: request.clientCallback?.base64 === true ? 1 : 0,
        answeredAt: a.waiter === null ? now : null,
        caller: a.waiter?.caller ?? null,
        fingerprint: a.fingerprint,
        retryOf: a.retryOf,
        now,
        expiresAt,
        clientTraceId: clientTraceOf(edit),
      })
      for (const [position, input] of edit.inputs.entries()) {
        insertInput.run({
          id,
          position,
          role: input.role,
          url: input.url,
          file: input.file?.name ?? null,
          contentType: input.file?.contentType ?? null,
          sizeBytes: input.file?.sizeBytes ?? null,
          sha256: input.file?.sha256 ?? null,
          width: input.file?.width ?? null,
          height: input.file?.height ?? null,
        })
      }
      for (let position = 0; position < a.tasks; position += 1) insertTask.run({ id, owner, position, now, expiresAt })
      insertEvent.run({ id, owner, now })
      if (a.waiter !== null) wait(id, a.waiter)
      changed(id)
      return { kind: 'created' }
    },

    saveAnswer: (a: Parameters<typeof idempotency.saveAnswer>[0]): void => idempotency.saveAnswer(a),

    deleteJob(a: { jobId: string }): boolean {
      const deleted = remove.run({ id: a.jobId }).changes === 1
      if (deleted) {
        idempotency.forgetAnswer(a.jobId)
        changed(a.jobId)
      }
      return deleted
    },
  }
}

function idempotencyKeys(database: Database.Database) {
  const select = database.prepare<{ owner: string; key: string }, { job_id: string; fingerprint: string; created_at: number }>(
    'select job_id, fingerprint, created_at from idempotency_keys where owner = @owner and key = @key',
  )
  // A key that no longer holds is taken over.
  const insert = database.prepare(`
    insert into idempotency_keys (owner, key, job_id, fingerprint, created_at) values (@owner, @key, @id, @fingerprint, @now)
    on conflict (owner, key) do update set job_id = excluded.job_id, fingerprint = excluded.fingerprint,
      created_at = excluded.created_at, answer = null`)
  const answer = database.prepare(`
    update idempotency_keys set answer = @answer where owner = @owner and key = @key and job_id = @jobId and answer is null
      and exists (select 1 from jobs where id = @jobId)`)
  const forget = database.prepare('update idempotency_keys set answer = null where job_id = @jobId')
  return {
    take(owner: string, wanted: { key: string; expiresBefore: number }, job: { id: string; fingerprint: string; now: number }) {
      const row = select.get({ owner, key: wanted.key })
      if (row !== undefined && row.created_at > wanted.expiresBefore) return { jobId: row.job_id, fingerprint: row.fingerprint }
      insert.run({ owner, key: wanted.key, id: job.id, fingerprint: job.fingerprint, now: job.now })
      return null
    },
    saveAnswer(a: { owner: string; key: string; job: JobRecord }): void {
      answer.run({ owner: a.owner, key: a.key, jobId: a.job.id, answer: JSON.stringify(a.job) })
    },
    /** The key goes on protecting against a second charge, but nothing of the request is kept any more. */
    forgetAnswer(jobId: string): void {
      forget.run({ jobId })
    },
  }
}
