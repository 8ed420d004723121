import type { FastifySchema } from 'fastify'
import { recordsPerPage } from '../../bounds.ts'
import { editAnswer, exampleIds, taskRecord } from '../examples.ts'
import { editRequest } from '../request.ts'
import { integer, list, number, oneOf, ref, type Schema, text } from '../schema.ts'
import { answer, header, keyed, replayed, withBody } from './answers.ts'
import { errors } from './errors.ts'
import { idempotencyKey } from './parameters.ts'

const tags = ['openai']
const shouldRetry = { 'X-Should-Retry': header('`false` on what another try cannot mend, or might pay for twice.') }

const edited: Schema = {
  description: 'The pictures; with `async` or `callback_url` the id of the task; with `stream` events.',
  headers: replayed,
  content: {
    'application/json': {
      schema: { anyOf: [ref('EditAnswer'), ref('TaskStarted')] },
      examples: {
        pictures: { summary: 'The pictures', value: editAnswer },
        started: { summary: 'With async or callback_url', value: { task_id: exampleIds.taskId } },
      },
    },
    'text/event-stream': {
      schema: { type: 'string', description: '`image_edit.completed` for each picture, or `error`. A comment every 15 s.' },
    },
  },
}

const failures = Object.fromEntries(
  Object.entries(errors([...keyed, ...withBody, 402, 403, 422, 424, 504], 'EditError')).map(([status, one]): [string, Schema] => {
    const { headers } = one
    return [status, { ...one, headers: { ...(typeof headers === 'object' ? headers : {}), ...shouldRetry } }]
  }),
)

/** @param operationId of its own for each of the paths: OpenAI's, and those of the provider's pages. */
export function editImages(operationId: string): FastifySchema {
  return {
    operationId,
    tags,
    summary: 'Edit pictures, as OpenAI and the provider have it',
    description:
      'Answers when the pictures are there, at most `ANSWER_WITHIN_S` (280 s unless set). Each edit is a job like any other. A request that is repeated because its answer did not arrive gets the job of its first try: one charge.',
    headers: idempotencyKey,
    body: editRequest,
    response: {
      200: edited,
      ...failures,
    },
  }
}

const ids = (description: string): Schema => list({ type: 'string' }, description, { maxItems: recordsPerPage.most })

const query: Schema = {
  type: 'object',
  properties: {
    action: oneOf('One, or several.', ['retrieve', 'retrieve_batch'], { default: 'retrieve' }),
    id: text('For `retrieve`: the task or the job.'),
    trace_id: text('For `retrieve`: the provider’s, or the one that the request was sent with. Beside it `id` says nothing.'),
    ids: ids('For `retrieve_batch`. An empty list finds nothing.'),
    trace_ids: ids('For `retrieve_batch`.'),
    created_at_min: number('For `retrieve_batch`: seconds since 1970.', { minimum: 0 }),
    created_at_max: number('For `retrieve_batch`: seconds since 1970.', { minimum: 0 }),
    offset: integer('For `retrieve_batch`.', { minimum: 0, default: 0 }),
    limit: integer(`For \`retrieve_batch\`; more than ${recordsPerPage.most} count as ${recordsPerPage.most}.`, {
      minimum: 0,
      default: recordsPerPage.usual,
    }),
  },
}

const queries = {
  one: { summary: 'One task', value: { action: 'retrieve', id: exampleIds.taskId } },
  several: { summary: 'Several', value: { action: 'retrieve_batch', ids: [exampleIds.taskId, exampleIds.jobId] } },
  latest: { summary: 'The latest', value: { action: 'retrieve_batch', limit: 5 } },
}

/** @param operationId as above. */
export function findTasks(operationId: string): FastifySchema {
  return {
    operationId,
    tags,
    summary: 'Ask for tasks, as the provider has it',
    description: 'From what this service knows; the provider is not asked. There is one record for each job.',
    body: {
      content: {
        'application/json': { schema: { ...query, 'x-examples': queries } },
        'application/x-www-form-urlencoded': { schema: query },
      },
    },
    response: {
      200: answer({
        description: 'A record, or `{}` for what is not known or belongs to another key; for `retrieve_batch` a list.',
        schema: { anyOf: [ref('TaskRecord'), ref('TaskRecordList'), { type: 'object', maxProperties: 0 }] },
        examples: {
          one: { summary: 'One task', value: taskRecord },
          several: { summary: 'Several', value: { items: [taskRecord], count: 1 } },
          unknown: { summary: 'Not known', value: {} },
        },
      }),
      ...errors([...keyed, 400, 408, 415]),
    },
  }
}

/** @param operationId as above. */
export function listModels(operationId: string): FastifySchema {
  return {
    operationId,
    tags,
    summary: 'The known models',
    description: 'As OpenAI lists them, with sizes, price and what each takes.',
    response: { 200: answer({ description: 'The models.', schema: ref('ModelList') }), ...errors(keyed) },
  }
}
