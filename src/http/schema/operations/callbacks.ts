import type { FastifySchema } from 'fastify'
import { callbackOutcomes } from '../../../domain/records.ts'
import { providerResult } from '../examples.ts'
import { flag, object, oneOf, type Schema, text } from '../schema.ts'
import { errors } from './errors.ts'
import { path } from './parameters.ts'

/** What is answered with an error has another outcome. */
const kept = callbackOutcomes.filter(outcome => outcome !== 'malformed')

const result: Schema = {
  type: 'object',
  description: 'A result, good or bad, in any of the shapes that the provider has. Any Content-Type is taken.',
  additionalProperties: true,
  'x-examples': { picture: { summary: 'A picture', value: providerResult } },
}

export const takeCallback: FastifySchema = {
  operationId: 'takeCallback',
  tags: ['provider'],
  summary: 'Take a result',
  description: 'For the provider only. The token in the path decides which task it is for, whatever the body says.',
  security: [],
  params: path({ token: text('Made for one task.') }),
  // Without media types: that spares each callback a look at its Content-Type, which is overwritten anyway.
  body: result,
  response: {
    200: object(
      {
        received: flag('Always true.'),
        outcome: oneOf('What became of it.', kept),
      },
      { description: 'The result is kept.', examples: [{ received: true, outcome: 'applied' }] },
    ),
    ...errors([400, 404, 408, 413, 500, 503, 507]),
  },
}
