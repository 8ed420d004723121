import type { FastifySchema } from 'fastify'
import { finishedJob } from '../examples.ts'
import type { Schema } from '../schema.ts'
import { answer, keyed } from './answers.ts'
import { errors } from './errors.ts'
import { byJob, lastEventId } from './parameters.ts'

const stream: Schema = {
  type: 'string',
  description:
    'Server-sent events: `id`, `event` (`job.queued`, `job.processing`, `job.succeeded`, …) and `data`, the Job as it is when sent. A comment every 15 s.',
}
const example = `id: 3\nevent: job.succeeded\ndata: ${JSON.stringify(finishedJob)}\n\n`

function events(description: string): Schema {
  return answer({ description, schema: stream, type: 'text/event-stream', examples: { end: { value: example } } })
}

const failures = errors([...keyed, 400])
const tags = ['events']

export const jobEvents: FastifySchema = {
  operationId: 'followJob',
  tags,
  summary: 'Follow a job',
  description: 'From its first event on, or after `Last-Event-ID`. Ends after the final one.',
  params: byJob,
  headers: lastEventId,
  response: { 200: events('The job’s history, and what comes.'), ...failures, ...errors([404]) },
}

export const allEvents: FastifySchema = {
  operationId: 'followJobs',
  tags,
  summary: 'Follow all of your jobs',
  description: 'From now on, or after `Last-Event-ID`, without an end.',
  headers: lastEventId,
  response: { 200: events('What comes.'), ...failures },
}
