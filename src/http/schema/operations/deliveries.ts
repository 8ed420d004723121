import type { FastifySchema } from 'fastify'
import { delivery } from '../examples.ts'
import { ref, type Schema, text } from '../schema.ts'
import { answer, keyed } from './answers.ts'
import { errors } from './errors.ts'
import { byJob, optional } from './parameters.ts'

const tags = ['webhooks']
const deliveries = (description: string, value: object): Schema =>
  answer({ description, schema: ref('DeliveryList'), examples: { deliveries: { value: { data: [value] } } } })

export const listDeliveries: FastifySchema = {
  operationId: 'listDeliveries',
  tags,
  summary: 'What was sent for a job',
  description: 'To its `webhook_url` or `callback_url`, each attempt with its answer.',
  params: byJob,
  response: { 200: deliveries('The deliveries of the job.', delivery), ...errors([...keyed, 404]) },
}

export const redeliver: FastifySchema = {
  operationId: 'redeliver',
  tags,
  summary: 'Send again',
  description: 'Under the same `webhook-id`.',
  params: byJob,
  querystring: optional({ id: text('Only this delivery: `msg_…`.') }),
  response: {
    202: deliveries('They are sent again.', { ...delivery, status: 'pending' }),
    ...errors([...keyed, 400, 404, 409, 507]),
  },
}
