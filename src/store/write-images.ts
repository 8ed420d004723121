import type Database from 'better-sqlite3'
import type { StoredFile } from '../domain/ports.ts'
import type { Result } from '../domain/result.ts'
import type { Changed } from './commands.ts'

type Succeeded = Extract<Result, { kind: 'succeeded' }>

const fileColumns = (file: StoredFile | null) => ({
  file: file?.name ?? null,
  contentType: file?.contentType ?? null,
  sizeBytes: file?.sizeBytes ?? null,
  sha256: file?.sha256 ?? null,
  width: file?.width ?? null,
  height: file?.height ?? null,
})

const noHost = '?'

function hostOf(url: string | null): string {
  return URL.parse(url ?? '')?.host ?? noHost
}

const setFile = `
  file = @file, content_type = @contentType, size_bytes = @sizeBytes, sha256 = @sha256, width = @width, height = @height`

/** Adds a result's pictures to a job, after those that are there. */
export function imageInserter(database: Database.Database) {
  // Pictures of a job are never removed singly, so that their number is the next position. Positional as in move.ts.
  const insert = database.prepare(`
    insert into images (job_id, position, task_id, late, provider_url, revised_prompt, created, file, content_type, size_bytes,
      sha256, width, height, arrived_at, copy_at, copy_host)
    values (?, (select count(*) from images where job_id = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
  return (a: { jobId: string; taskId: number; late: boolean; result: Succeeded; now: number; copyAt: number }): void => {
    const { jobId, taskId, now } = a
    for (const { url, file, revisedPrompt } of a.result.images) {
      const known = [jobId, jobId, taskId, a.late ? 1 : 0, url, revisedPrompt, a.result.created]
      if (file === null) insert.run(...known, null, null, null, null, null, null, now, a.copyAt, hostOf(url))
      else
        insert.run(...known, file.name, file.contentType, file.sizeBytes, file.sha256, file.width, file.height, now, null, noHost)
    }
  }
}

/** Adds to what a job's clients are warned of. */
export function warningAdder(database: Database.Database): (jobId: string, warnings: readonly string[]) => void {
  const read = database.prepare<[string], string>('select warnings from jobs where id = ?').pluck()
  const write = database.prepare('update jobs set warnings = ? where id = ?')
  return (jobId, warnings) => {
    if (warnings.length === 0) return
    // Written by this program as a JSON array of texts.
    const before = JSON.parse(read.get(jobId) ?? '[]') as string[]
    write.run(JSON.stringify([...before, ...warnings]), jobId)
  }
}

export function imageCommands(database: Database.Database, changed: Changed) {
  const copied = database.prepare(`
    update images set ${setFile}, copy_at = null, copy_error = null where job_id = @jobId and position = @position and file is null`)
  const failed = database.prepare(`
    update images set copy_attempts = copy_attempts + (@reason is not null), copy_at = @copyAt, copy_error = coalesce(@reason, copy_error)
    where job_id = @jobId and position = @position and file is null`)
  const input = database.prepare(`update inputs set ${setFile} where job_id = @jobId and position = @position and file is null`)
  return {
    imageCopied(a: { jobId: string; position: number; file: StoredFile }): boolean {
      const done = copied.run({ jobId: a.jobId, position: a.position, ...fileColumns(a.file) }).changes === 1
      if (done) changed(a.jobId)
      return done
    },

    imageCopyFailed(a: { jobId: string; position: number; copyAt: number | null; reason: string | null }): void {
      const done = failed.run(a).changes === 1
      // Whoever waits for it waits no more.
      if (done && a.copyAt === null) changed(a.jobId)
    },

    inputStored(a: { jobId: string; position: number; file: StoredFile }): boolean {
      const done = input.run({ jobId: a.jobId, position: a.position, ...fileColumns(a.file) }).changes === 1
      if (done) changed(a.jobId)
      return done
    },
  }
}
