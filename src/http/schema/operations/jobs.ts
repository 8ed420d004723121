import type { FastifySchema } from 'fastify'
import { jobStatuses } from '../../../domain/job.ts'
import { jobsPerPage } from '../../bounds.ts'
import { callback, canceledJob, finishedJob, submittedJob } from '../examples.ts'
import { jobRequest } from '../request.ts'
import { integer, oneOf, ref, type Schema, text } from '../schema.ts'
import { answer, header, keyed, replayed, retryAfter, withBody } from './answers.ts'
import { errors } from './errors.ts'
import { byJob, idempotencyKey, optional } from './parameters.ts'

const tags = ['jobs']
const job = ref('Job')

function taken(description: string): Schema {
  return answer({
    description,
    headers: { Location: header('The job’s URL.'), ...retryAfter, ...replayed },
    schema: job,
    examples: { submitted: { summary: 'Submitted', value: submittedJob } },
  })
}

export const submitJob: FastifySchema = {
  operationId: 'submitJob',
  tags,
  summary: 'Submit an edit',
  description:
    'Takes a job, as JSON or as a form of either kind, and keeps it before it answers. The submit is tried at once, and the answer waits for it up to 10 s: normally `task_id` is in it. A job that has to wait is `queued`. Where the provider refuses the job at once, that error is answered.',
  headers: idempotencyKey,
  body: jobRequest,
  response: {
    202: taken('The job is kept, and goes on.'),
    ...errors([...keyed, ...withBody, 404, 409, 422]),
    ...errors([400, 402, 403, 413, 502], 'Refusal'),
  },
}

export const getJob: FastifySchema = {
  operationId: 'getJob',
  tags,
  summary: 'Read a job, or wait for it',
  params: byJob,
  querystring: optional({
    wait: integer(
      'Hold the answer until the job is final, so many seconds at most; more than `WAIT_MAX_S` (90 unless set) counts as that.',
      { minimum: 0 },
    ),
  }),
  headers: optional({
    Prefer: text('`wait=30`: as the parameter `wait`.'),
    'If-None-Match': text('The ETag of an earlier answer.'),
  }),
  response: {
    200: answer({
      description: 'The job as it is now.',
      headers: {
        ETag: header('Changes with the job.'),
        ...retryAfter,
        'Preference-Applied': header('The `Prefer` that was followed.'),
      },
      schema: job,
      examples: {
        succeeded: { summary: 'Succeeded', value: finishedJob },
        processing: { summary: 'Still under way', value: submittedJob },
      },
    }),
    304: answer({ description: 'It has not changed.', headers: { ETag: header('The same.'), ...retryAfter } }),
    ...errors([...keyed, 400, 404]),
  },
}

export const listJobs: FastifySchema = {
  operationId: 'listJobs',
  tags,
  summary: 'List jobs, newest first',
  querystring: optional({
    status: oneOf('Only these.', jobStatuses),
    model: text('Only of this model.'),
    limit: integer('Jobs on a page.', { minimum: 1, maximum: jobsPerPage.most, default: jobsPerPage.usual }),
    cursor: text('The `next_cursor` of the page before.'),
  }),
  response: {
    200: answer({
      description: 'A page of jobs.',
      schema: ref('JobPage'),
      examples: { page: { value: { data: [finishedJob], next_cursor: null, has_more: false } } },
    }),
    ...errors([...keyed, 400]),
  },
}

export const cancelJob: FastifySchema = {
  operationId: 'cancelJob',
  tags,
  summary: 'Cancel a job',
  description:
    'A `queued` job is never submitted, and not paid. One that is `processing` is final here, but the provider has no cancel and may charge; what still comes is kept in `late_result`.',
  params: byJob,
  response: {
    200: answer({ description: 'The job, canceled.', schema: job, examples: { canceled: { value: canceledJob } } }),
    ...errors([...keyed, 404, 409, 507]),
  },
}

export const retryJob: FastifySchema = {
  operationId: 'retryJob',
  tags,
  summary: 'Try a job again',
  description:
    'Submits the request of a failed, expired or canceled job again, as a new job whose `retry_of` names it. It may be a second charge.',
  params: byJob,
  headers: idempotencyKey,
  response: {
    202: taken('The new job.'),
    ...errors([...keyed, 404, 409, 422, 507]),
    ...errors([400, 402, 403, 413, 502], 'Refusal'),
  },
}

export const deleteJob: FastifySchema = {
  operationId: 'deleteJob',
  tags,
  summary: 'Delete a job',
  description: 'A final job goes with its pictures and its history.',
  params: byJob,
  response: { 204: answer({ description: 'It is gone.' }), ...errors([...keyed, 404, 409, 507]) },
}

export const listCallbacks: FastifySchema = {
  operationId: 'listCallbacks',
  tags,
  summary: 'What the provider called back',
  params: byJob,
  response: {
    200: answer({
      description: 'The callbacks of the job.',
      schema: ref('CallbackList'),
      examples: { applied: { value: { data: [callback] } } },
    }),
    ...errors([...keyed, 404]),
  },
}
