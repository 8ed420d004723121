import { errorTypes, statusOfCode } from '../../domain/errors.ts'
import { type NamedSchema, named, object, oneOf, orNull, text } from './schema.ts'

const type = oneOf('The family of the error, as OpenAI’s SDKs know them.', errorTypes)
const message = text('For people: names the field, and what would be right.')
const param = orNull(text('The field, header or parameter that is wrong.'))
const id = text('Also in the header `x-request-id`. The log has it.')

const error = named(
  'Error',
  object(
    { error: object({ code: oneOf('For programs.', Object.keys(statusOfCode)), message, type, param }), request_id: id },
    {
      description: 'What every error looks like.',
    },
  ),
)

/** A job that all submits of were refused for good names itself beside the error. */
const refusal = named('Refusal', {
  type: 'object',
  required: ['error', 'request_id'],
  properties: {
    error: object({ code: text('Ours, or the provider’s own: `forbidden`, `used_up`, `bad_request`, …'), message, type, param }),
    job_id: text('The job, which is `failed`; only where the provider refused it.'),
    request_id: id,
  },
  description: 'An error of ours, or of the provider, which refused the job at once.',
})

const editError = named('EditError', {
  type: 'object',
  required: ['error', 'request_id'],
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'param', 'code'],
      properties: {
        message,
        type,
        param,
        code: text('Ours, or the provider’s own.'),
        job_id: text('The job, where there is one: it goes on after a `timeout`.'),
        task_id: text('Its first task at the provider; the job where that is not known.'),
      },
    },
    trace_id: text('The provider’s id of the request, which its support asks for; where there is one.'),
    request_id: id,
  },
  description: 'An error as OpenAI’s SDKs read it.',
})

export const errorSchemas: readonly NamedSchema[] = [error, refusal, editError]
