import send from '@fastify/send'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { invalid, ServiceError } from '../domain/errors.ts'
import { unknownType } from '../domain/picture.ts'
import type { Blobs, Clock } from '../domain/ports.ts'
import type { FileFacts, JobRecord } from '../domain/records.ts'
import type { Signer } from '../domain/signer.ts'
import type { JobStore } from '../domain/store.ts'
import type { PictureFile, Pictures } from '../steps/pictures.ts'
import { type Smaller, smallerType, widths } from '../steps/smaller.ts'
import { clientGone } from './connections.ts'
import { errorBody } from './errors.ts'
import { findJob } from './find-job.ts'
import { isKnown } from './known-tag.ts'
import { getImage, getInput } from './schema/operations/pictures.ts'

export type PictureRoutesDeps = { store: JobStore; blobs: Blobs; pictures: Pictures; smaller: Smaller; clock: Clock }

type ByIndex = { Params: { taskId: string; index: string }; Querystring: { exp?: unknown; sig?: unknown; width?: unknown } }

/** Whether a request's own query opens its path: our signature over the path, and not yet past its time. */
export function isSignedPicture(request: FastifyRequest, signer: Signer, now: number): boolean {
  const [path = ''] = request.url.split('?', 1)
  // Parsed by fastify from the query; anything but two texts is refused by the signer.
  return signer.verifyPath(path, request.query as ByIndex['Querystring'], now)
}

function positionOf(text: string): number {
  if (!/^(0|[1-9]\d{0,3})$/.test(text)) throw new ServiceError('not_found', 'there is no such picture', { param: 'index' })
  return Number(text)
}

/** @param contentType by the bytes, never as their sender calls them. */
function headersFor(contentType: string): Record<string, string> {
  return {
    'content-type': contentType,
    // Whatever the bytes are, they are no page of ours.
    'content-security-policy': "default-src 'none'; sandbox",
    'cross-origin-resource-policy': 'cross-origin',
    ...(contentType.startsWith('image/') ? {} : { 'content-disposition': 'attachment' }),
  }
}

/** The width that is asked for; null: the picture as it is. */
function widthOf(query: ByIndex['Querystring']): number | null {
  const { width } = query
  if (width === undefined) return null
  const given = widths.find(one => String(one) === width)
  if (given === undefined) throw invalid('width', `width must be one of ${widths.join(', ')}`)
  return given
}

/** Caches that others share may keep a picture for as long as its URL opens it; a client that has a key, for ever. */
function cacheControl(signedUntil: number | null, now: number): string {
  if (signedUntil === null) return 'private, max-age=31536000, immutable'
  return `public, max-age=${Math.max(0, Math.floor((signedUntil - now) / 1_000))}, immutable`
}

/** Sends a file that never changes: whole, in part, or not at all where the client has it. */
async function sendPicture(
  request: FastifyRequest,
  reply: FastifyReply,
  path: string,
  file: FileFacts,
  caching: string,
): Promise<FastifyReply> {
  const etag = `"${file.sha256}"`
  void reply.headers({ etag, 'cache-control': caching, ...headersFor(file.contentType ?? unknownType) })
  const { headers } = request.raw
  if (isKnown(request, etag)) return reply.code(304).send()
  // The ETag is ours, and these conditions are about it: what is left for the library to look at is the range alone.
  if (headers['if-range'] !== undefined && headers['if-range'] !== etag) delete headers.range
  for (const name of ['if-range', 'if-none-match', 'if-match', 'if-modified-since', 'if-unmodified-since']) delete headers[name]
  const options = { etag: false, lastModified: false, cacheControl: false, contentType: false, dotfiles: 'allow' } as const
  const found = await send(request.raw, encodeURI(path), options)
  if (found.type === 'error') {
    void reply.removeHeader('etag').removeHeader('cache-control').removeHeader('content-type').removeHeader('content-disposition')
    // Why it can't be read says whether that passes.
    if (found.statusCode === 500) throw found.metadata.error
    if (found.statusCode !== 416)
      throw new ServiceError('not_found', 'the file of this picture is gone', { cause: found.metadata.error })
    const error = new ServiceError('invalid_request', 'the range lies outside of the picture', { param: 'Range' })
    return reply
      .code(416)
      .header('content-range', `bytes */${file.sizeBytes ?? '*'}`)
      .send(errorBody(error, request.id))
  }
  return reply.code(found.statusCode).headers(found.headers).send(found.stream)
}

type Seen = { job: JobRecord /** When the URL's signature ends; null: opened by a key. */; signedUntil: number | null }

/** `/jobs/…/images/…` and `/jobs/…/inputs/…`. */
export function pictureRoutes(deps: PictureRoutesDeps) {
  const { store, blobs, pictures } = deps

  /** By a signed URL the job is whoever's it is; the signature says that we showed it. */
  async function jobFor(request: FastifyRequest<ByIndex>): Promise<Seen> {
    const caller = request.caller
    const job = await findJob(store, caller ?? { owner: '', sees: 'all' }, request.params.taskId)
    return { job, signedUntil: caller === null ? Number(request.query.exp) * 1_000 : null }
  }

  /** Sends a picture, or its smaller copy, which is another file to caches. */
  async function answer(
    request: FastifyRequest<ByIndex>,
    reply: FastifyReply,
    seen: Seen,
    file: PictureFile,
  ): Promise<FastifyReply> {
    const width = widthOf(request.query)
    const path = width === null ? null : await deps.smaller.path(seen.job.id, file, width)
    const caching = cacheControl(seen.signedUntil, deps.clock.now())
    if (path === null) return sendPicture(request, reply, blobs.pathOf(seen.job.id, file.file), file, caching)
    const copy = { ...file, sha256: `${file.sha256}-w${width}`, sizeBytes: null, contentType: smallerType }
    return sendPicture(request, reply, path, copy, caching)
  }

  return async (app: FastifyInstance): Promise<void> => {
    const image = { config: { access: 'picture' }, schema: getImage } as const
    const input = { config: { access: 'picture' }, schema: getInput } as const
    app.get<ByIndex>('/jobs/:taskId/images/:index', image, async (request, reply) => {
      const seen = await jobFor(request)
      const position = positionOf(request.params.index)
      const gone = clientGone(reply)
      const file = await pictures.image(seen.job, position, gone)
      if (file !== null) return answer(request, reply, seen, file)
      const { contentType, stream } = await pictures.passThrough(seen.job, position, gone)
      // Not to be cached: it has no hash yet, and the copy will have.
      void reply.headers({ ...headersFor(contentType), 'cache-control': 'no-store' })
      return reply.send(stream)
    })
    app.get<ByIndex>('/jobs/:taskId/inputs/:index', input, async (request, reply) => {
      const seen = await jobFor(request)
      return answer(request, reply, seen, await pictures.input(seen.job, positionOf(request.params.index)))
    })
  }
}
