import type { FastifySchema } from 'fastify'
import { object, oneOf, type Schema, text } from '../schema.ts'
import { answer } from './answers.ts'
import { errors } from './errors.ts'

const tags = ['service']
const open: readonly { [name: string]: readonly string[] }[] = []

const readiness: Schema = object({
  status: oneOf('Whether it can work.', ['ready', 'not ready']),
  store: oneOf('Whether the database can be read.', ['ok', 'cannot be read']),
  submitting: text('`ok`, or until when nothing is submitted because the provider refuses the account.'),
  provider: text('Whose results these are: on the `sandbox` nothing is charged.'),
})

export const healthz: FastifySchema = {
  operationId: 'isAlive',
  tags,
  summary: 'Whether the process lives',
  security: open,
  response: {
    200: answer({
      description: 'It lives.',
      schema: object({ status: oneOf('Always so.', ['ok']), instance: text('What only this process answers.') }),
    }),
    ...errors([500]),
  },
}

export const readyz: FastifySchema = {
  operationId: 'isReady',
  tags,
  summary: 'Whether it can work',
  security: open,
  response: {
    200: answer({ description: 'It can.', schema: readiness }),
    503: answer({ description: 'It cannot, or is stopping.', schema: readiness }),
    ...errors([500]),
  },
}

export const metrics: FastifySchema = {
  operationId: 'getMetrics',
  tags,
  summary: 'Figures for Prometheus',
  description: 'With the `ADMIN_KEY` only; where none is set, there is no such route.',
  security: [{ admin: [] }],
  response: {
    200: answer({ description: 'The figures.', schema: { type: 'string' }, type: 'text/plain' }),
    ...errors([401, 404, 429, 500]),
  },
}

export const openApi: FastifySchema = {
  operationId: 'getOpenApi',
  tags,
  summary: 'This document',
  security: open,
  response: {
    200: answer({ description: 'OpenAPI 3.1.', schema: { type: 'object', additionalProperties: true } }),
    ...errors([500]),
  },
}

export const docs: FastifySchema = {
  operationId: 'getDocs',
  tags,
  summary: 'This document as a page',
  security: open,
  response: {
    200: answer({ description: 'A page that tries requests out.', schema: { type: 'string' }, type: 'text/html' }),
    ...errors([500]),
  },
}
