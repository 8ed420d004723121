import type { FastifySchema } from 'fastify'
import { unknownType } from '../../../domain/picture.ts'
import { smallerType, widths } from '../../../steps/smaller.ts'
import { integer, oneOf, ref, type Schema, text } from '../schema.ts'
import { header, keyed } from './answers.ts'
import { errors } from './errors.ts'
import { optional, path, taskId } from './parameters.ts'

const index = integer('0 is the first.', { minimum: 0, examples: [0] })
const binary = { type: 'string', format: 'binary' }
const types = ['image/png', 'image/jpeg', smallerType, unknownType]

function picture(description: string, headers: Schema): Schema {
  return { description, headers, content: Object.fromEntries(types.map(type => [type, { schema: binary }])) }
}

const cached = {
  ETag: header('Of the bytes, which never change.'),
  'Content-Disposition': header('`attachment` for bytes of a kind that is not known here.'),
  'Cache-Control': header('Once the picture was copied: with a key for ever, by a signed URL until its signature ends.'),
}

function pictureRoute(operationId: string, summary: string): FastifySchema {
  return {
    operationId,
    tags: ['pictures'],
    summary,
    description: 'Needs a key, or the signature (`exp`, `sig`) that is in the job’s URLs.',
    security: [{ bearer: [] }, { signature: [] }],
    params: path({ taskId, index }),
    querystring: optional({
      width: oneOf('Smaller, as WebP, where the picture is wider than that.', widths),
      exp: text('Until when the signature is good (seconds since 1970).'),
    }),
    headers: optional({
      Range: text('A part of the picture, such as `bytes=0-99`.'),
      'If-None-Match': text('The ETag of an earlier answer.'),
    }),
    response: {
      200: picture('The picture.', cached),
      206: picture('A part of it.', { ...cached, 'Content-Range': header('Which part.') }),
      304: { description: 'You have it already.', headers: cached, type: 'null' },
      ...errors([...keyed, 400, 404, 502]),
      416: {
        description: '`invalid_request`: the range lies outside of the picture.',
        headers: { 'Content-Range': header('How long it is.') },
        content: { 'application/json': { schema: ref('Error') } },
      },
    },
  }
}

export const getImage = pictureRoute('getImage', 'A picture that came back')
export const getInput = pictureRoute('getInput', 'A picture that was sent in')
