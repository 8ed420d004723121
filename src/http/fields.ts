import { isUtf8 } from 'node:buffer'
import type { FastifyRequest } from 'fastify'
import { invalid, ServiceError } from '../domain/errors.ts'
import type { Blobs, FileSink, StoredFile } from '../domain/ports.ts'
import { type Fields, type FieldValue, pictureField } from '../domain/request.ts'
import { LiftError, type Lifted, liftJson } from '../files/lift.ts'
import { passingBodyOf } from './bodies.ts'
import { readForm } from './form.ts'

export type FieldLimits = { maxImageBytes: number; maxRequestBytes: number }

/** `openai`: a JSON body may also name pictures as `{"image_url": "…"}`, and a list of them `images`. */
export type Dialect = 'jobs' | 'openai'

/** All images that a request may have, the mask, and one too many, so that it is the count that is complained about. */
const maxFiles = 18
const maxParts = 200
/** What a request is without its pictures: a prompt of 32,000 characters in any script, and room for the rest. */
const maxTextBytes = 2 ** 20
const maxDepth = 32

/**
 * Reads a request's body, JSON or form, its pictures straight into the job's folder.
 * @throws ServiceError `invalid_request`, `payload_too_large`, `unsupported_media_type`.
 */
export async function readFields(
  request: FastifyRequest,
  blobs: Blobs,
  jobId: string,
  limits: FieldLimits,
  dialect: Dialect = 'jobs',
): Promise<Fields> {
  const declared = Number(request.headers['content-length'] ?? 0)
  if (declared > limits.maxRequestBytes) throw new ServiceError('payload_too_large', tooLargeText(limits))
  if ((request.headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity')
    throw new ServiceError('unsupported_media_type', 'send the body without a Content-Encoding', { param: 'Content-Encoding' })
  const isForm = /^(multipart\/form-data|application\/x-www-form-urlencoded)\b/i.test(request.headers['content-type'] ?? '')
  return isForm ? readFormFields(request, blobs, jobId, limits) : readJsonFields(request, blobs, jobId, limits, dialect)
}

async function readFormFields(request: FastifyRequest, blobs: Blobs, jobId: string, limits: FieldLimits): Promise<Fields> {
  // A place is taken when a part begins, so that values stay in the order in which they were sent.
  const places: { name: string; value: FieldValue | null }[] = []
  let files = 0
  await readForm(
    request.raw,
    {
      text: (name, text) => places.push({ name, value: { kind: 'text', text } }),
      async file(name, stream, filename) {
        if (pictureField(name) === null)
          throw invalid(name.slice(0, 200) || null, 'a file may only be sent as image, image[] or mask')
        files += 1
        if (files > maxFiles) throw invalid(name, 'too many files in one request')
        const place: (typeof places)[number] = { name, value: null }
        places.push(place)
        const file = await storeFile(blobs.create(jobId, 'in'), stream, filename)
        if (file !== null) place.value = { kind: 'file', file }
      },
    },
    { maxFileBytes: limits.maxImageBytes, maxTextBytes, maxParts, maxBodyBytes: limits.maxRequestBytes },
  )
  const fields = new Map<string, FieldValue[]>()
  for (const { name, value } of places) {
    if (value !== null) fields.set(name, [...(fields.get(name) ?? []), value])
  }
  return fields
}

/** Streams one file into the folder; null for the empty part that a browser sends for a file that was not chosen. */
async function storeFile(sink: FileSink, stream: AsyncIterable<Uint8Array>, filename: string): Promise<StoredFile | null> {
  let sizeBytes = 0
  try {
    for await (const chunk of stream) {
      sizeBytes += chunk.length
      await sink.write(chunk)
    }
    if (sizeBytes === 0 && (filename === '' || filename === undefined)) {
      await sink.discard()
      return null
    }
    return await sink.finish()
  } catch (error) {
    await sink.discard()
    throw error
  }
}

async function readJsonFields(
  request: FastifyRequest,
  blobs: Blobs,
  jobId: string,
  limits: FieldLimits,
  dialect: Dialect,
): Promise<Fields> {
  const lifted = await liftRequest(request, blobs, jobId, limits, dialect)
  const { value } = lifted
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(null, 'the body must be a JSON object')
  const fields = new Map<string, FieldValue[]>()
  // Without a value, which no field of a body is: it tells that the pictures were named as OpenAI's JSON does it.
  if (dialect === 'openai' && 'images' in value) fields.set('images', [])
  for (const [given, item] of Object.entries(value)) {
    const name = dialect === 'openai' && given === 'images' ? 'image' : given
    if (pictureField(name) === null) {
      fields.set(name, [{ kind: 'json', value: item }])
      continue
    }
    const items: readonly unknown[] = Array.isArray(item) ? item : [item]
    const values = items.map((one): FieldValue => {
      const link = dialect === 'openai' ? linkOf(one) : one
      const file = lifted.file(link)
      return file === undefined ? { kind: 'json', value: link } : { kind: 'file', file }
    })
    fields.set(name, [...(fields.get(name) ?? []), ...values])
  }
  return fields
}

/** OpenAI's JSON names a picture as `{"image_url": "…"}`. */
function linkOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'image_url' in value ? value.image_url : value
}

async function liftRequest(
  request: FastifyRequest,
  blobs: Blobs,
  jobId: string,
  limits: FieldLimits,
  dialect: Dialect,
): Promise<Lifted> {
  let field = 'image'
  try {
    return await liftJson(utf8Only(passingBodyOf(request)), {
      select(path) {
        const [name = '', inner] = path
        const isPicture = pictureField(name) !== null || (dialect === 'openai' && name === 'images')
        const isWrapped = dialect === 'openai' && path.length === 2 && inner === 'image_url'
        if (!isPicture || (path.length > 1 && !isWrapped)) return null
        field = name
        return 'link'
      },
      create: () => blobs.create(jobId, 'in'),
      remove: file => blobs.remove(jobId, file.name),
      maxBodyBytes: limits.maxRequestBytes,
      maxJsonBytes: maxTextBytes,
      maxFileBytes: limits.maxImageBytes,
      maxFiles,
      maxDepth,
      keepRawBytes: 0,
    })
  } catch (error) {
    if (error instanceof LiftError) throw liftProblem(error, field, limits)
    throw error
  }
}

/** Lets through what is UTF-8: of anything else a prompt would be read wrongly, and paid for. */
async function* utf8Only(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const wrong = (): ServiceError => invalid(null, 'the body is no valid UTF-8')
  let begun: Buffer = Buffer.alloc(0)
  for await (const chunk of body) {
    const bytes = begun.length === 0 ? chunk : Buffer.concat([begun, chunk])
    const whole = endOfWholeCharacters(bytes)
    if (!isUtf8(bytes.subarray(0, whole))) throw wrong()
    // A copy: the chunk itself is gone by the time it is needed.
    begun = Buffer.from(bytes.subarray(whole))
    yield chunk
  }
  if (begun.length > 0) throw wrong()
}

/** Where a character begins that goes on in the next chunk; the end where there is none such. */
function endOfWholeCharacters(bytes: Buffer): number {
  // The least first byte of a character that needs more than what stands here from it on.
  for (const [index, least] of [0xc0, 0xe0, 0xf0].entries()) {
    const at = bytes.length - 1 - index
    if ((bytes[at] ?? 0) >= least) return at
  }
  return bytes.length
}

function liftProblem(error: LiftError, field: string, limits: FieldLimits): ServiceError {
  switch (error.kind) {
    case 'malformed':
      // Of a picture's own text, not of the JSON around it.
      return error.isOfPicture
        ? new ServiceError('invalid_request', `${field}: its base64 is broken or cut short`, { param: field, cause: error })
        : new ServiceError('invalid_request', "the body isn't valid JSON", { cause: error })
    case 'too_deep':
      return new ServiceError('invalid_request', `the body is nested deeper than ${maxDepth} levels`, { cause: error })
    case 'too_many_files':
      return new ServiceError('invalid_request', `${field}: too many pictures in one request`, { param: field, cause: error })
    case 'file_too_large':
      return new ServiceError('payload_too_large', `${field} is larger than MAX_IMAGE_BYTES (${limits.maxImageBytes} bytes)`, {
        param: field,
        cause: error,
      })
    case 'json_too_large':
      return new ServiceError('payload_too_large', `the body without its pictures is larger than ${maxTextBytes} bytes`, {
        cause: error,
      })
    case 'body_too_large':
      return new ServiceError('payload_too_large', tooLargeText(limits), { cause: error })
    default:
      return error.kind satisfies never
  }
}

function tooLargeText(limits: FieldLimits): string {
  return `the request is larger than MAX_REQUEST_BYTES (${limits.maxRequestBytes} bytes)`
}
