import { idempotencyKeyForm } from '../../../domain/fingerprint.ts'
import { exampleIds } from '../examples.ts'
import { type Schema, text } from '../schema.ts'

/** Path parameters, all of which are required. */
export function path(properties: Record<string, Schema>): Schema {
  return { type: 'object', required: Object.keys(properties), properties }
}

/** Parameters of a query, or headers, none of which is required. */
export function optional(properties: Record<string, Schema>): Schema {
  return { type: 'object', properties }
}

export const taskId = text('The job’s `id`, or the `task_id` of any of its tasks.', { examples: [exampleIds.jobId] })
export const byJob = path({ taskId })

export const idempotencyKey = optional({
  'Idempotency-Key': text(
    'The same key with the same request within 24 hours gives the same job and the same answer, and nothing is submitted again. Your own order number, for example.',
    { pattern: idempotencyKeyForm.source },
  ),
})

export const lastEventId = optional({
  'Last-Event-ID': text('The id of the last event that was received: what came after it follows.', {
    pattern: '^\\d{1,15}$',
  }),
})
