import { encodingFor } from '../domain/models.ts'
import type { Blobs } from '../domain/ports.ts'
import type { SubmitInput, SubmitOrder } from '../domain/provider.ts'
import type { InputRecord, JobRecord } from '../domain/records.ts'
import { sendsN } from '../domain/request.ts'
import { sentClientTrace, withoutTrace } from '../domain/trace.ts'

function toSubmitInput(job: JobRecord, input: InputRecord, asFile: boolean, blobs: Blobs): SubmitInput {
  if (!asFile && input.url !== null) return { role: input.role, kind: 'url', url: input.url }
  if (input.file === null) throw new Error(`job ${job.id}: picture ${input.position} was to be fetched before the job was taken`)
  return {
    role: input.role,
    kind: 'file',
    path: blobs.pathOf(job.id, input.file),
    sizeBytes: input.sizeBytes ?? 0,
    contentType: input.contentType ?? 'application/octet-stream',
  }
}

/** What one of a job's tasks sends. @param ownTraceId is this task's alone. */
export function orderFor(job: JobRecord, callbackUrl: string | null, ownTraceId: string, blobs: Blobs): SubmitOrder {
  const encoding = encodingFor(job.model, job.inputs)
  return {
    jobId: job.id,
    model: job.model,
    prompt: job.prompt,
    params: withoutTrace(job),
    n: sendsN(job) ? job.n : null,
    body: encoding.body,
    inputs: job.inputs.map((input, index) => toSubmitInput(job, input, encoding.asFile[index] === true, blobs)),
    callbackUrl,
    traceId: sentClientTrace(job) ?? ownTraceId,
  }
}
