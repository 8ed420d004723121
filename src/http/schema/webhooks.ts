import { type JobEventType, jobEventTypes } from '../../domain/events.ts'
import { exampleIds, notice, providerResult } from './examples.ts'
import { report } from './openai.ts'
import { object, oneOf, type Schema, text, time } from './schema.ts'

const header = (name: string, description: string, example: string): Schema => ({
  name,
  in: 'header',
  required: true,
  description,
  schema: { type: 'string' },
  example,
})

const headers = [
  header('webhook-id', 'The same for each attempt: one that was seen before is a repeat.', exampleIds.deliveryId),
  header('webhook-timestamp', 'When it was sent, in seconds since 1970.', '1795353990'),
  header(
    'webhook-signature',
    '`v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64; several, with a space between, while secrets are changed.',
    'v1,rwZhZU4VgtA8AzKKsAZXYqGzsE8Nj09tim+QGqPZom8=',
  ),
]

const responses = {
  '2XX': { description: 'Taken. Anything else, or no answer within 15 s, is sent again for about three days.' },
  '410': { description: 'Not to be sent again.' },
}

function posted(summary: string, description: string, schema: Schema, example: object): Schema {
  return {
    post: {
      tags: ['webhooks'],
      summary,
      description,
      security: [],
      parameters: headers,
      requestBody: { required: true, content: { 'application/json': { schema, example } } },
      responses,
    },
  }
}

/** Named by the document, which is where these are resolved. */
const job = { $ref: '#/components/schemas/Job' }

function noticeOf(type: JobEventType): [string, Schema] {
  const schema = object({ type: oneOf('What happened.', [type]), timestamp: time('When it happened.'), data: job })
  const summary = `A job: ${type.slice('job.'.length).replaceAll('_', ' ')}`
  const description =
    'To the job’s `webhook_url`. Under 20 kB: pictures are URLs, long texts are cut, and lists may be empty that are not. Follows Standard Webhooks.'
  return [type, posted(summary, description, schema, { ...notice, type })]
}

const result: Schema = {
  type: 'object',
  required: ['success', 'task_id', 'trace_id'],
  properties: {
    success: { type: 'boolean' },
    task_id: text('The provider’s id; ours where it is not known.'),
    trace_id: { type: ['string', 'null'] },
    data: {
      type: 'object',
      required: ['created', 'data'],
      properties: {
        created: { type: 'integer', description: 'Seconds since 1970.' },
        data: { type: 'array', items: { $ref: '#/components/schemas/EditedPicture' } },
      },
    },
    ...report,
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: { code: { type: 'string' }, message: { type: 'string' } },
    },
  },
}

const { success, task_id, trace_id } = providerResult
const resultExample = {
  success,
  task_id,
  trace_id,
  data: { created: 1795353990, data: [{ url: notice.data.result.data[0]?.url }] },
}

/** What this service POSTs. */
export const webhooks: Record<string, Schema> = {
  ...Object.fromEntries(jobEventTypes.map(noticeOf)),
  result: posted(
    'The result of an edit',
    'To the `callback_url` of an OpenAI-compatible request, in the provider’s shape; `data` where there are pictures, else `error`.',
    result,
    resultExample,
  ),
}
